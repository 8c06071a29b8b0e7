/** Syntax colours for the few languages people ask a small model about. Loaded when the first code block appears. */
import type { HLJSApi } from 'highlight.js';

let loading: Promise<HLJSApi> | null = null;

/**
 * HTML of a piece of code with highlight.js classes, everything in it escaped; null for a language that is not known,
 * or when its rules could not be loaded (they are a nicety: the code stays readable).
 */
export async function highlight(code: string, language: string): Promise<string | null> {
  if (language === '') return null;
  loading ??= load();
  try {
    const highlighter = await loading;
    if (highlighter.getLanguage(language) === undefined) return null;
    return highlighter.highlight(code, { language, ignoreIllegals: true }).value;
  } catch {
    loading = null;
    return null;
  }
}

async function load(): Promise<HLJSApi> {
  const [core, bash, css, javascript, json, python, sql, typescript, xml] = await Promise.all([
    import('highlight.js/lib/core'),
    import('highlight.js/lib/languages/bash'),
    import('highlight.js/lib/languages/css'),
    import('highlight.js/lib/languages/javascript'),
    import('highlight.js/lib/languages/json'),
    import('highlight.js/lib/languages/python'),
    import('highlight.js/lib/languages/sql'),
    import('highlight.js/lib/languages/typescript'),
    import('highlight.js/lib/languages/xml'),
  ]);
  const languages = { bash, css, javascript, json, python, sql, typescript, xml };
  for (const [name, { default: grammar }] of Object.entries(languages)) {
    core.default.registerLanguage(name, grammar);
  }
  return core.default;
}
