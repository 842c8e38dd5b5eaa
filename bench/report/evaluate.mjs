/** Holds measured figures against targets, and finds where a peer is ahead. */
import { count, digits } from './markdown.mjs';

const USUAL = { size: 100, entries: 1_000_000 };

/** For each bound of each target { workload, bound, figure, verdict }: 'reached', 'MISSED' or 'not measured'. */
export function evaluateTargets(targets, figures, volatile) {
  return targets.flatMap(({ workload, durability = 'none', bounds }) =>
    bounds.map((bound) => ({ workload, ...evaluate(bound, durability, figures, volatile) })),
  );
}

function evaluate(bound, durability, figures, volatile) {
  if (bound.than) return evaluateRatio(bound, durability, figures, volatile);
  if (bound.grows) return evaluateGrowth(bound, durability, figures);
  return evaluateFigure(bound, figures);
}

function evaluateRatio(
  { faster, than: [other, otherGroup, otherWorkload], mmcb: [group, workload] },
  durability,
  figures,
  volatile,
) {
  const setting = { ...USUAL, durability };
  const own = figures.ns({ ...setting, engine: 'mmcb', group, workload });
  const peers =
    other === 'best peer' ? figures.settings.engines.filter((name) => name !== 'mmcb' && !volatile(name)) : [other];
  const cells = peers.map((engine) => figures.ns({ ...setting, engine, group: otherGroup, workload: otherWorkload }));
  const best = Math.min(...cells.filter(Boolean).map(({ median }) => median));
  const name =
    other === 'mmcb'
      ? `mmcb's own ${otherWorkload}`
      : otherWorkload === workload
        ? other
        : `${other}'s ${otherWorkload}`;
  const text = `≥ ${faster} × ${name}`;
  if (own === undefined || best === Number.POSITIVE_INFINITY) return unmeasured(text);
  return judged(text, best / own.median, '×', best / own.median >= faster);
}

function evaluateGrowth({ grows, mmcb: [group, workload], to }, durability, figures) {
  const cell = { ...USUAL, durability, engine: 'mmcb', group, workload };
  const small = figures.ns(cell);
  const large = figures.ns({ ...cell, entries: to });
  const text = `grows ≤ ${grows} ×`;
  if (small === undefined || large === undefined) return unmeasured(text);
  return judged(text, large.median / small.median, '×', large.median / small.median <= grows);
}

function evaluateFigure({ atMost, atLeast, unit, of: [workload, entries = USUAL.entries] }, figures) {
  const found = figures.value({ ...USUAL, entries, durability: 'none', engine: 'mmcb', group: 'engine', workload });
  const text = atMost === undefined ? `≥ ${atLeast} ${unit}` : `≤ ${atMost} ${unit}`;
  if (found === undefined) return unmeasured(entries === USUAL.entries ? text : `${text}, ${count(entries)} entries`);
  return judged(text, found.value, unit, atMost === undefined ? found.value >= atLeast : found.value <= atMost);
}

const unmeasured = (bound) => ({ bound, figure: '-', verdict: 'not measured' });

const judged = (bound, value, unit, reached) => ({
  bound,
  figure: `${digits(value)} ${unit}`,
  verdict: reached ? 'reached' : 'MISSED',
});

/** Where an engine is faster than mmcb: [{ engine, durability, group, workload, size, entries, times }], the worst first. */
export function whereBehind(figures, engines) {
  const found = [];
  for (const scale of figures.scales()) {
    for (const durability of figures.settings.tables) {
      for (const group of figures.settings.groups) {
        const setting = { ...scale, durability, group };
        for (const workload of figures.workloads(setting)) {
          const own = figures.ns({ ...setting, engine: 'mmcb', workload });
          for (const engine of engines) {
            const other = figures.ns({ ...setting, engine, workload });
            if (own === undefined || other === undefined || other.median >= own.median) continue;
            found.push({ ...setting, engine, workload, times: own.median / other.median });
          }
        }
      }
    }
  }
  return found.sort((a, b) => b.times - a.times);
}
