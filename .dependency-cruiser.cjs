// Who may import whom: data flows one way, and nothing below knows anything above it.
const ROOMS = {
  shared: [],
  protocol: ['shared'],
  gpu: ['shared'],
  formats: ['shared'],
  storage: ['shared'],
  kernels: ['gpu', 'shared', 'shaders'],
  text: ['shared'],
  model: ['kernels', 'gpu', 'formats', 'shared'],
  generation: ['model', 'kernels', 'gpu', 'formats', 'text', 'shared'],
  training: ['model', 'kernels', 'gpu', 'formats', 'text', 'shared'],
  adaptation: ['training', 'generation', 'model', 'formats', 'text', 'shared'],
  engine: [
    'adaptation',
    'training',
    'generation',
    'model',
    'kernels',
    'gpu',
    'formats',
    'text',
    'storage',
    'protocol',
    'shared',
  ],
  cli: [
    'adaptation',
    'training',
    'generation',
    'model',
    'kernels',
    'gpu',
    'formats',
    'text',
    'storage',
    'protocol',
    'shared',
    'engine',
  ],
  app: ['protocol', 'shared', 'storage'],
};

const rooms = Object.entries(ROOMS).map(([room, allowed]) => ({
  name: `${room}-imports`,
  comment: `src/${room} may import ${allowed.join(', ') || 'nothing'}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: {
    path: '^(src|shaders|tests|scripts)/',
    pathNot: [
      `^src/${room}/`,
      ...allowed.map((name) => (name === 'shaders' ? '^shaders/' : `^src/${name}/`)),
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
      to: { dependencyTypes: ['npm-no-pkg', 'unknown'], pathNot: '^svelte/|^virtual:|^vite$' },
    },
    ...rooms,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\?(raw|worker)$' },
    enhancedResolveOptions: { extensions: ['.ts', '.svelte', '.svelte.ts', '.js', '.mjs'] },
  },
};
