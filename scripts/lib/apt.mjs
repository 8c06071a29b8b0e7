import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const FOLDER = '/etc/apt/sources.list.d';
const ADDED = `${FOLDER}/thumbprint-backports.list`;

/** Adds Debian's backports of a release from the mirror that the machine uses already, unless they are there. */
export function addBackports(release) {
  const sources = readSources().flatMap(({ name, text }) =>
    name.endsWith('.sources') ? paragraphs(text) : lines(text),
  );
  const suite = `${release}-backports`;
  if (sources.some(({ suites }) => suites.includes(suite))) return;
  // Other vendors name their suites after Debian's releases too, but not their components.
  const main = sources.find(
    ({ suites, components }) => suites.includes(release) && components.includes('main'),
  );
  const signedBy = main?.signedBy ? `[signed-by=${main.signedBy}] ` : '';
  writeFileSync(ADDED, `deb ${signedBy}${main?.uri ?? 'http://deb.debian.org/debian'} ${suite} main\n`);
}

/** apt reads these endings only. */
function readSources() {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).map((name) => `${FOLDER}/${name}`) : [];
  return ['/etc/apt/sources.list', ...names]
    .filter((name) => /\.(list|sources)$/.test(name) && existsSync(name))
    .map((name) => ({ name, text: readFileSync(name, 'utf8') }));
}

/** The one-line form: `deb [option=value …] URI suite component …`. */
function lines(text) {
  return [...text.matchAll(/^deb[ \t]+(?:\[([^\]]*)\][ \t]+)?(\S+)[ \t]+(\S+)([^#\n]*)/gm)].map(
    ([, options = '', uri, suite, components]) => ({
      uri,
      suites: [suite],
      components: words(components),
      signedBy: /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1],
    }),
  );
}

/** The deb822 form: paragraphs of `Field: value …`, in any order, with comments between them. */
function paragraphs(text) {
  return text
    .replace(/^#.*\n?/gm, '')
    .split(/\n[ \t]*\n/)
    .map((paragraph) => (name) => new RegExp(`^${name}:(.*)$`, 'im').exec(paragraph)?.[1].trim() ?? '')
    .filter((field) => words(field('Types')).includes('deb') && !/^(no|false)$/i.test(field('Enabled')))
    .map((field) => ({
      uri: words(field('URIs'))[0],
      suites: words(field('Suites')),
      components: words(field('Components')),
      // A key written into the file itself spans lines and is no path.
      signedBy: /^\/\S+$/.exec(field('Signed-By'))?.[0],
    }));
}

function words(text) {
  return text.split(/\s+/).filter((word) => word !== '');
}
