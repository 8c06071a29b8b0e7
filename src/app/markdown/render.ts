/** Markdown of a reply, complete or still growing, as blocks of safe HTML. */
import DOMPurify from 'dompurify';
import { Marked, type Token } from 'marked';
import remend from 'remend';
import { breakRunInLists } from './run-in-lists';

export type Block = { kind: 'html'; html: string } | { kind: 'code'; language: string; code: string };

/** Reply headings begin below the page's own, so that the outline of the page stays in order. */
const HEADING_OFFSET = 2;

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + HEADING_OFFSET);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    // An image would be fetched from elsewhere; its description and address say as much.
    image({ href, text }) {
      return `<a href="${escapeHtml(href)}">${escapeHtml(text === '' ? href : text)}</a>`;
    },
    checkbox({ checked }) {
      return checked ? '☑ ' : '☐ ';
    },
    // What a model writes as HTML is shown as written.
    html({ text }) {
      return escapeHtml(text);
    },
  },
});

const purifier = DOMPurify();
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

const ALLOWED_TAGS =
  'a b blockquote br code del em h3 h4 h5 h6 hr i li ol p pre s strong sub sup table tbody td th thead tr ul'.split(
    ' ',
  );
const ALLOWED_ATTRIBUTES = ['href', 'start', 'align', 'target', 'rel'];

/**
 * Splits Markdown into its top-level blocks, each rendered and sanitized by itself, so that a growing reply changes
 * only its last block.
 *
 * @param growing The text may end inside a construct, which is then closed for the moment.
 */
export function renderBlocks(markdown: string, growing: boolean): Block[] {
  const lined = breakRunInLists(markdown);
  const tokens = marked.lexer(growing ? remend(lined) : lined);
  return tokens.filter(({ type }) => type !== 'space' && type !== 'def').map(renderBlock);
}

function renderBlock(token: Token): Block {
  if (token.type === 'code') {
    const language: unknown = token['lang'];
    return {
      kind: 'code',
      language: typeof language === 'string' ? (/^\S*/.exec(language)?.[0] ?? '') : '',
      code: String(token['text']),
    };
  }
  return { kind: 'html', html: sanitize(marked.parser([token])) };
}

/** Highlighted code: nothing but spans with classes. */
export function sanitizeCode(html: string): string {
  return purifier.sanitize(html, { ALLOWED_TAGS: ['span'], ALLOWED_ATTR: ['class'], ALLOW_DATA_ATTR: false });
}

/** HTML with only the tags that Markdown needs: no style, script, form, media or frame. */
function sanitize(html: string): string {
  return purifier.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR: ALLOWED_ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    // Without this their values would have to be addresses too.
    ADD_URI_SAFE_ATTR: ['start', 'align'],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  });
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
