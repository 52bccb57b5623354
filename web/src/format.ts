const NUMBER = new Intl.NumberFormat("en-US");

/** 1234567 → "1,234,567". */
export const count = (value: number): string => NUMBER.format(value);

/** 1536 → "1.5 KiB". */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** Millionths of a dollar → "$0.12". */
export function dollars(microusd: number): string {
  const value = microusd / 1_000_000;
  return value > 0 && value < 0.01 ? `$${value.toFixed(4)}` : `$${value.toFixed(2)}`;
}

/** RFC 3339 → date and time where the reader is. */
export function time(text: string | null): string {
  return text === null ? "never" : new Date(text).toLocaleString();
}
