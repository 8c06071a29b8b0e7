/**
 * Numbered lists that a model wrote in one line, "1. Warm some milk. 2. Read a book.", with a line for each item: only
 * then they are lists in Markdown. Only lines that begin with 1, and only numbers that follow one another; code stays.
 */
export function breakRunInLists(markdown: string): string {
  let fenced = false;
  return markdown
    .split('\n')
    .map((line) => {
      if (/^ {0,3}(```|~~~)/.test(line)) fenced = !fenced;
      const mark = /^ {0,3}1([.)]) /.exec(line)?.[1];
      if (fenced || mark === undefined) return line;
      let next = 2;
      return line.replaceAll(/ (\d+)([.)])(?= \S)/g, (found, number, after) => {
        if (Number(number) !== next || after !== mark) return found;
        next++;
        return `\n${number}${after}`;
      });
    })
    .join('\n');
}
