import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import { defineConfig } from 'eslint/config';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default defineConfig(
  { ignores: ['dist/', 'test-results/', 'node_modules/'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.worker, ...globals.node },
      parserOptions: { projectService: true, extraFileExtensions: ['.svelte'] },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      // TypeScript knows them better.
      'no-undef': 'off',
      'no-unused-private-class-members': 'off',
      // The DOM's types promise what older browsers lack; reading a value for its effect is how runes track it.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
    rules: {
      // The types of imported components and bindings are any to ESLint; svelte-check sees them.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Collections that nothing on screen depends on stay plain; spaces between blocks need their mustaches.
      'svelte/prefer-svelte-reactivity': 'off',
      'svelte/no-useless-mustaches': 'off',
      // The warnings that are ignored come from svelte-check, which ESLint does not run.
      'svelte/no-unused-svelte-ignore': 'off',
    },
  },
  {
    // dependency-cruiser sees components after their imports of types are gone.
    files: ['src/app/**/*.svelte'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex:
                '^(\\.\\./)+(adaptation|cli|engine(?!/client(\\.ts)?$)|formats|generation|gpu|kernels|model|text|training)(/|$)',
              message: 'The app knows protocol, shared, storage and engine/client.',
            },
          ],
        },
      ],
    },
  },
  // Markup from marked and highlight.js goes through DOMPurify before it gets here.
  { files: ['src/app/components/{CodeBlock,Markdown}.svelte'], rules: { 'svelte/no-at-html-tags': 'off' } },
  {
    files: ['tests/**'],
    rules: {
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off',
      // Vitest's asymmetric matchers are any.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { disallowTypeAnnotations: false, fixStyle: 'inline-type-imports' },
      ],
    },
  },
  { files: ['**/*.js', '**/*.mjs', '**/*.cjs'], ...ts.configs.disableTypeChecked },
);
