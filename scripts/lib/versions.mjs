/** Negative where version `a` is the lower one. */
export function compareVersions(a, b) {
  const [first, second] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    const difference = (first[i] ?? 0) - (second[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
