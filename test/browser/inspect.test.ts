/**
 * The page of `mmcb inspect` in a real browser, served by the real program, beside a real writer. MMCB_CHROMIUM names the browser
 * (scripts/browser-tests.mjs finds one); MMCB_SCREENSHOTS, a folder, keeps pictures of the page there.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CompactableBuffer, StringMap } from '../../src/index.js';
import { start } from '../cli/run-mmcb.js';
import { tempFile } from '../support/temp.js';

const screenshots = process.env['MMCB_SCREENSHOTS'];

let browser: Browser;
beforeAll(async () => {
  const executablePath = process.env['MMCB_CHROMIUM'];
  if (executablePath === undefined)
    throw new Error('MMCB_CHROMIUM must name a Chromium: npm run test:browser finds one');
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

describe('mmcb inspect', () => {
  let file: string;
  let buffer: CompactableBuffer;
  let server: ChildProcess;
  let page: Page;
  let url: string;
  const errors: string[] = [];
  const requests: string[] = [];

  beforeEach(async () => {
    file = tempFile('cities');
    buffer = await CompactableBuffer.open(file, { segmentSize: 131_072, compaction: { policy: 'disabled' } });
    await fill(new StringMap(buffer));
    server = start('inspect', file, '--json');
    const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    ({ url } = JSON.parse(line.toString()) as { url: string });
    page = await browser.newPage({ viewport: { width: 1280, height: 1000 }, colorScheme: 'light' });
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
    await page.waitForFunction(() => /^\d+ of [\d.]+ KiB$/.test(document.querySelector('#scanned')?.textContent ?? ''));
  });

  afterEach(async () => {
    await page.close();
    const ended = once(server, 'exit');
    server.kill('SIGINT');
    expect((await ended)[0]).toBe(0);
    await buffer.close();
    expect(errors.splice(0)).toEqual([]);
    for (const request of requests.splice(0)) expect(request).toMatch(new RegExp(`^(${url}|data:)`));
  });

  /** Cities of some countries, a third of them removed again: garbage, slack and free space in one file. */
  async function fill(map: StringMap): Promise<void> {
    for (let i = 0; i < 12_000; i++) {
      map.set(`city:${i}`, {
        name: `City ${i}`,
        population: i * 37,
        notes: 'x'.repeat((i * i) % (i % 50 === 0 ? 3000 : 200)),
      });
    }
    for (let i = 0; i < 6000; i++) if (i % 3 !== 0 || i % 700 < 200) map.delete(`city:${i}`);
    map.set('map:overview', 'y'.repeat(400_000)); // a run
    await buffer.flush();
  }

  const keep = async (name: string): Promise<void> => {
    if (screenshots === undefined) return;
    await page.evaluate(() => {
      for (const [id, text] of [
        ['name', 'cities.mmcb'],
        ['path', '/var/lib/travel/cities.mmcb'],
      ] as const) {
        (document.getElementById(id) as HTMLElement).textContent = text; // not the names of a test
      }
    });
    await page.screenshot({ path: join(screenshots, name), animations: 'disabled' });
  };
  const text = async (selector: string): Promise<string> => (await page.textContent(selector)) ?? '';

  it('shows the file: facts, totals, and a cell for each segment', async () => {
    expect(await text('h1')).toMatch(/cities-\d+\.mmcb/);
    expect(await text('#facts')).toContain('7,401'); // live entries
    const { segments, liveBytes } = buffer.stats();
    expect(await page.locator('.cell').count()).toBe(segments);
    expect(await page.locator('.cell.tail').count()).toBeGreaterThanOrEqual(3);
    expect(await text('#legend')).toContain(`${(liveBytes / 2 ** 20).toFixed(1)} MiB`);
    expect(await page.locator('#sizes .bar').count()).toBeGreaterThan(1);
  });

  it('opens a segment and an entry with the mouse, down to its bytes', async () => {
    await page.locator('.cell').first().click();
    await page.waitForSelector('#segment-body table');
    expect(await text('#segment-title')).toBe('Segment 0');
    const row = page.locator('#segment-body tbody tr', { hasText: 'live' }).first();
    const key = (await row.locator('td').nth(2).textContent()) ?? '';
    expect(key).toMatch(/^city:\d+$/);
    await row.getByRole('button').click();
    await page.waitForSelector('.hex');
    expect((await page.locator('.hex .f-key').allTextContents()).join('')).toContain(key.slice(0, 8));
    expect(await page.locator('.hex .f-crc').first().textContent()).toMatch(/^([0-9a-f]{2} ){4}$/);
    const before = await page.locator('#segment-body tbody tr').count();
    await page.getByRole('button', { name: /Show more of/ }).click();
    await page.waitForFunction((n) => document.querySelectorAll('#segment-body tbody tr').length > n, before);
    await page.evaluate(() => window.scrollTo(0, 0));
    await keep('inspect-light.png');
  });

  it('is used by keyboard alone', async () => {
    await page.locator('#map').focus();
    const active = (): Promise<string | null> => page.locator('#map').getAttribute('aria-activedescendant');
    expect(await active()).toBe('cell-0');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    expect(await active()).toBe('cell-1');
    await page.keyboard.press('ArrowDown');
    const below = Number((await active())?.replace('cell-', ''));
    expect(below).toBeGreaterThan(2);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('End');
    expect(await active()).toBe(`cell-${buffer.stats().segments - 1}`);
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#segment-body table');
    expect(await page.locator('#cell-0').getAttribute('aria-selected')).toBe('true');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('segment-title');
    // On to the first entry, and open it.
    for (let i = 0; i < 10; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(() => document.activeElement?.getAttribute('aria-label')?.startsWith('Bytes at'))) break;
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('.hex');
  });

  it('names every control and every picture, and has text that can be read in both schemes', async () => {
    await page.locator('.cell').first().click();
    await page.waitForSelector('#segment-body table');
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, [role=option], [role=img], [role=listbox], section')]
        .filter((element) => {
          const labelled = document.getElementById(element.getAttribute('aria-labelledby') ?? '');
          return !(element.getAttribute('aria-label') || element.textContent?.trim() || labelled?.textContent);
        })
        .map((element) => element.outerHTML),
    );
    expect(unnamed).toEqual([]);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await lowestContrast()).toBeGreaterThanOrEqual(4.5);
    }
  });

  /** The lowest contrast (WCAG 2) between text and what is behind it. */
  function lowestContrast(): Promise<number> {
    return page.evaluate(() => {
      const parse = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
      const luminance = (color: number[]): number => {
        const [r = 0, g = 0, b = 0] = color.slice(0, 3).map((value) => {
          const share = value / 255;
          return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const behind = (element: Element): number[] => {
        for (let at: Element | null = element; at !== null; at = at.parentElement) {
          const color = parse(getComputedStyle(at).backgroundColor);
          if (color.length === 3) return color;
        }
        return [255, 255, 255];
      };
      const contrasts = [...document.querySelectorAll('h1, h2, p, dt, dd, th, td, td button, li, button')]
        .filter((element) => element.textContent?.trim() && element.getClientRects().length > 0)
        .filter((element) => !(element instanceof HTMLButtonElement && element.disabled))
        .map((element) => {
          const a = luminance(parse(getComputedStyle(element).color));
          const b = luminance(behind(element));
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        });
      return Math.min(...contrasts);
    });
  }

  it('follows a writer in another process: entries, sync points, what is given back', async () => {
    const map = new StringMap(buffer);
    for (let i = 0; i < 3000; i++) map.set(`new:${i}`, 'x'.repeat(300));
    await buffer.flush();
    await page.waitForFunction(() => document.querySelector('#facts')?.textContent?.includes('10,401'), undefined, {
      timeout: 10_000,
    });
    const size = buffer.stats().fileSize;
    for (let i = 0; i < 3000; i++) map.delete(`new:${i}`);
    await buffer.compact();
    expect(buffer.stats().fileSize).toBeLessThan(size);
    await page.waitForFunction(() => document.querySelector('#facts')?.textContent?.includes('7,401'));
    await page.waitForSelector('#timeline .reclaimed', { state: 'attached' });
    expect(await page.locator('#timeline .sync').count()).toBeGreaterThan(0);
    expect(await page.locator('.cell').count()).toBe(buffer.stats().segments);
    if (screenshots !== undefined) await growAndShrink(map);
    await page.emulateMedia({ colorScheme: 'dark' });
    await keep('inspect-dark.png');
  });

  /** Something to see in the timeline. */
  async function growAndShrink(map: StringMap): Promise<void> {
    for (let round = 0; round < 24; round++) {
      for (let i = 0; i < 900; i++) map.set(`new:${(round % 8) * 900 + i}`, 'x'.repeat(300));
      if (round % 8 === 7) {
        for (let i = 0; i < 6000; i++) map.delete(`new:${i}`);
        await page.waitForTimeout(1000);
        await buffer.compact();
      }
      await page.waitForTimeout(1000);
    }
    for (let i = 0; i < 6000; i++)
      if (i % 4 !== 0) map.set(`city:${i}`, { name: `City ${i}`, notes: 'x'.repeat(i % 150) });
    for (let i = 6000; i < 9000; i++) if (i % 3 !== 0) map.delete(`city:${i}`);
    await page.waitForTimeout(2500);
    const half = await page
      .locator('.cell')
      .evaluateAll((cells) =>
        cells.findIndex((cell) => Number((cell.getAttribute('aria-label') ?? '').match(/(\d+) % garbage/)?.[1]) > 30),
      );
    await page.locator('.cell').nth(half).click();
    await page.locator('#segment-body tbody tr', { hasText: 'live' }).first().getByRole('button').click();
    await page.waitForSelector('.hex');
    await page.evaluate(() => window.scrollTo(0, 0));
  }

  it('shows keys of any kind as text and nothing else', async () => {
    new StringMap(buffer).set('<img src=x onerror=alert(1)>', 1);
    await buffer.flush();
    const index = await page.evaluate(async () => {
      const { segments } = (await (await fetch('file.json')).json()) as { segments: { index: number }[] };
      for (const { index } of segments) {
        if ((await (await fetch(`segment.json?index=${index}&limit=5000`)).text()).includes('onerror')) return index;
      }
      return -1;
    });
    await page.locator(`#cell-${index}`).click();
    await page.waitForFunction((n) => document.querySelector('#segment-title')?.textContent === `Segment ${n}`, index);
    await page.waitForSelector('#segment-body table');
    const more = page.getByRole('button', { name: /Show more of/ });
    const shown = page.getByRole('cell', { name: '<img src=x onerror=alert(1)>', exact: true });
    while ((await shown.count()) === 0) await more.click();
    expect(await page.locator('#segment-body img').count()).toBe(0);
  });

  it('shows files of many segments in pages', async () => {
    const large = tempFile('large');
    const other = await CompactableBuffer.open(large, { segmentSize: 16_384 });
    for (let i = 0; i < 4200; i++) other.add(Buffer.alloc(12_000));
    await other.flush();
    expect(other.stats().segments).toBeGreaterThan(4096);
    const serving = start('inspect', large, '--json');
    const [line] = (await once(serving.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const second = await browser.newPage();
    await second.goto((JSON.parse(line.toString()) as { url: string }).url);
    await second.waitForFunction(() => document.querySelectorAll('.cell').length === 4096);
    expect(await second.textContent('#page-of')).toBe('page 1 of 2');
    expect(await second.locator('#previous').isDisabled()).toBe(true);
    await second.getByRole('button', { name: 'Next' }).click();
    await second.waitForSelector('#cell-4096');
    expect(await second.locator('#cell-4095').count()).toBe(0);
    await second.locator('#map').focus();
    await second.keyboard.press('End');
    await second.keyboard.press('Enter');
    const last = await second.locator('#map').getAttribute('aria-activedescendant');
    expect(await second.textContent('#segment-title')).toBe(last?.replace('cell-', 'Segment '));
    await second.getByRole('button', { name: 'Previous' }).click();
    await second.waitForFunction(() => document.querySelectorAll('.cell').length === 4096);
    await second.close();
    serving.kill('SIGINT');
    await once(serving, 'exit');
    await other.close();
  });

  it('says so when the program has ended', async () => {
    server.kill('SIGINT');
    await page.waitForSelector('#problem:not([hidden])');
    expect(await text('#problem')).toMatch(/has ended/);
    errors.splice(0); // the browser notes each failed request
    server = start('inspect', file, '--json');
    await once(server.stdout as NodeJS.ReadableStream, 'data');
    await page.close();
    errors.splice(0);
  });
});
