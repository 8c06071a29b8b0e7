/**
 * Puts each item of a numbered list that was written on one line, as small models do, on a line of its own:
 * "1. Boil it. 2. Cool it." Code blocks stay as they are.
 */
export function separateItems(markdown: string): string {
  let fenced = false;
  return markdown
    .split('\n')
    .map((line) => {
      if (/^\s*(?:```|~~~)/.test(line)) fenced = !fenced;
      return fenced ? line : separateLine(line);
    })
    .join('\n');
}

function separateLine(line: string): string {
  const sign = /^1([.)]) /.exec(line)?.[1];
  if (sign === undefined) return line;
  const items: string[] = [];
  let rest = line;
  // An item ends where the next number in order begins.
  for (let next = 2; ; next++) {
    const end = rest.indexOf(` ${next}${sign} `);
    if (end < 0) return [...items, rest].join('\n');
    items.push(rest.slice(0, end));
    rest = rest.slice(end + 1);
  }
}
