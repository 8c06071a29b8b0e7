import { expect, test } from 'vitest';
import { treeOf, type VersionTree } from '../../../src/app/versions/tree';

/** Versions from their parents, by version from 1 on; a receipt stays of each that is `gone`. */
function tree(parents: number[], inUse: number, gone: number[] = []): VersionTree {
  const versions = parents.map((parentVersion, index) => ({ version: index + 1, parentVersion }));
  return treeOf(
    versions.filter(({ version }) => !gone.includes(version)),
    versions,
    inUse,
  );
}

/** As text: a column a line; ● the version, ┼ a line that passes, ╯ one that ends in the version. */
function drawn({ rows, lanes }: VersionTree): string[] {
  return rows.map(({ version, lane, passing, joining }) => {
    const columns = Array.from({ length: lanes }, (_, column) => {
      if (column === lane) return '●';
      if (joining.includes(column)) return '╯';
      return passing.includes(column) ? '│' : ' ';
    });
    return `${columns.join('')} ${version}`;
  });
}

test('without versions there is the base alone', () => {
  expect(drawn(tree([], 0))).toEqual(['● 0']);
});

test('versions that follow each other are one line', () => {
  const { rows, lanes } = tree([0, 1, 2], 3);
  expect(lanes).toBe(1);
  expect(rows.map(({ version, parent, continued }) => [version, parent, continued])).toEqual([
    [3, 2, false],
    [2, 1, true],
    [1, 0, true],
    [0, null, true],
  ]);
});

test('what was learned after a roll-back is a branch beside what is in use', () => {
  expect(drawn(tree([0, 1, 1, 3], 4))).toEqual(['●  4', '●  3', '│● 2', '●╯ 1', '●  0']);
  expect(drawn(tree([0, 1, 1, 3], 2))).toEqual([' ● 4', ' ● 3', '●│ 2', '●╯ 1', '●  0']);
});

test('the line in use goes on to the newest version that grew out of it', () => {
  expect(drawn(tree([0, 1, 2, 0], 1))).toEqual([' ● 4', '●│ 3', '●│ 2', '●│ 1', '●╯ 0']);
});

test('a lane whose line has ended is used again', () => {
  expect(drawn(tree([0, 1, 1, 3, 3, 5], 6))).toEqual([
    '●  6',
    '●  5',
    '│● 4',
    '●╯ 3',
    '│● 2',
    '●╯ 1',
    '●  0',
  ]);
});

test('several branches may begin at one version', () => {
  expect(drawn(tree([0, 0, 0], 1))).toEqual([' ●  3', ' │● 2', '●││ 1', '●╯╯ 0']);
});

test('a version hangs on the nearest ancestor that is still stored', () => {
  const { rows } = tree([0, 1, 2, 3], 4, [2, 3]);
  expect(rows.map(({ version, parent }) => [version, parent])).toEqual([
    [4, 1],
    [1, 0],
    [0, null],
  ]);
  expect(tree([0, 1], 2, [1]).rows[0]?.parent).toBe(0);
});

test('damaged records do not lead in circles', () => {
  const rows = treeOf(
    [
      { version: 1, parentVersion: 2 },
      { version: 2, parentVersion: 2 },
    ],
    [],
    2,
  ).rows;
  expect(rows.map(({ parent }) => parent)).toEqual([0, 0, null]);
});
