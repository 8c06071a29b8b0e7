// Who may import whom: data flows one way, and nothing below knows anything above it. Imports of types count too.
const MODEL_AND_BELOW = ['model', 'kernels', 'gpu', 'formats', 'text', 'shared'];
const ALL_BUT_APP = ['adaptation', 'training', 'generation', ...MODEL_AND_BELOW, 'storage', 'protocol'];
const ROOMS = {
  shared: [],
  protocol: ['shared'],
  gpu: ['shared'],
  formats: ['shared'],
  text: ['shared'],
  storage: ['shared'],
  kernels: ['gpu', 'shared'],
  model: ['kernels', 'gpu', 'formats', 'shared'],
  generation: MODEL_AND_BELOW,
  training: MODEL_AND_BELOW,
  adaptation: ['training', 'generation', 'model', 'formats', 'text', 'shared'],
  engine: ALL_BUT_APP,
  cli: [...ALL_BUT_APP, 'engine'],
  app: ['protocol', 'shared', 'storage'],
};

const rooms = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `${room}-imports`,
  comment: `src/${room} may import ${allowed.join(', ') || 'nothing'}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: {
    path: '^(src|tests|scripts)/',
    pathNot: [
      ...[room, ...allowed].map((name) => `^src/${name}/`),
      // The page's end of the line to the Worker.
      ...(room === 'app' ? ['^src/engine/client\\.ts$'] : []),
    ],
  },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-node-in-the-page',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-declared-packages',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'unknown'], pathNot: '^virtual:' },
    },
    {
      name: 'only-kernels-name-shaders',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/kernels/' },
      to: { path: '\\.wgsl' },
    },
    {
      name: 'rooms-are-in-the-table',
      comment: 'A new folder of src needs its line in the table above',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(ROOMS).join('|')})/` },
      to: {},
    },
    ...rooms,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.svelte', '.svelte.ts', '.js', '.mjs'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'default', 'types'],
    },
  },
};
