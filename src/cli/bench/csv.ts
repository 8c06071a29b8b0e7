type Cell = string | number | boolean | undefined;

/** A table as CSV, numbers to four decimals. The benches' cells hold no commas. */
export function csvOf(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [columns, ...rows.map((row) => row.map(textOf))].map((line) => `${line.join(',')}\n`).join('');
}

function textOf(cell: Cell): string {
  return typeof cell === 'number' ? String(Number(cell.toFixed(4))) : String(cell ?? '');
}
