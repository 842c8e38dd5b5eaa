export function barChart(chart: {
  title: string;
  subtitle: string;
  series: string[];
  rows: { label: string; values: (number | undefined)[]; texts: (string | undefined)[] }[];
}): string;
export function escaped(content: string): string;
