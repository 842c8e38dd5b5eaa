/** Figures as people read them. */

const grouped = new Intl.NumberFormat('en-US');

export const count = (number: number): string => grouped.format(number);

export function bytes(number: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = number;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? count(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A power of two as an axis says it: 64, 1K, 2M. */
export function shortBytes(number: number): string {
  const units = ['', 'K', 'M', 'G'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log2(number) / 10));
  return `${number / 1024 ** unit}${units[unit]}`;
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export const hex = (number: number, digits = 1): string => number.toString(16).padStart(digits, '0');
