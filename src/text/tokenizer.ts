import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import type { ChatTurn } from '../shared/records';

const TokenizerJson = v.looseObject({
  model: v.looseObject({ type: v.string() }),
  added_tokens: v.array(v.looseObject({ id: v.number(), content: v.string() })),
});

const TokenizerConfig = v.looseObject({
  chat_template: v.string(),
  eos_token: v.nullish(v.string()),
  bos_token: v.nullish(v.string()),
});

/** A turn of a chat; a reply of the model carries the ids it was generated as, so that the KV cache stays valid. */
export interface TokenizedTurn extends ChatTurn {
  ids?: readonly number[];
}

/** What a model folder says of its tokenizer. */
interface TokenizerFiles {
  tokenizerJson: unknown;
  tokenizerConfig: unknown;
  config: {
    /** Tokens that end a reply. */
    stop_token_ids: readonly number[];
  };
}

/** Characters of a private-use plane stand for contents while the template is rendered. */
const MARK = /\u{F0000}(\d+)\u{F0001}/u;

/** Tokenizer and chat template of a model. Text of a turn can never become a special token. */
export class ChatTokenizer {
  /** The token that ends a turn. */
  readonly endOfTurn: number;
  private readonly withSpecials: Tokenizer;
  private readonly plain: Tokenizer;
  private readonly template: Template;
  private readonly variables: Record<string, unknown>;
  private readonly stopIds: ReadonlySet<number>;

  /** @throws ThumbprintError `bad-file` for files of another kind. */
  constructor({ tokenizerJson, tokenizerConfig, config: { stop_token_ids } }: TokenizerFiles) {
    const json = v.safeParse(TokenizerJson, tokenizerJson);
    const config = v.safeParse(TokenizerConfig, tokenizerConfig);
    if (!json.success || !config.success) {
      throw new ThumbprintError(
        'bad-file',
        "The model's tokenizer files cannot be read. Load the model again.",
      );
    }
    try {
      this.withSpecials = new Tokenizer(json.output, config.output);
      this.plain = new Tokenizer({ ...json.output, added_tokens: [] }, config.output);
      this.template = new Template(config.output.chat_template);
    } catch (cause) {
      throw new ThumbprintError('bad-file', "The model's tokenizer is of an unknown kind.", { cause });
    }
    const { eos_token, bos_token } = config.output;
    this.variables = { bos_token: bos_token ?? '', eos_token: eos_token ?? '' };
    this.stopIds = new Set(stop_token_ids);
    this.endOfTurn = this.withSpecials.token_to_id(eos_token ?? '') ?? stop_token_ids[0] ?? 0;
  }

  /** Ids of plain text. */
  encode(text: string): number[] {
    return text === '' ? [] : this.plain.encode(text, { add_special_tokens: false }).ids;
  }

  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string {
    return ids.length === 0 ? '' : this.withSpecials.decode([...ids], { skip_special_tokens: true });
  }

  /** Ids of a reply as training takes it: its text and the token that ends it. */
  encodeReply(text: string): number[] {
    return [...this.encode(text), this.endOfTurn];
  }

  /**
   * Ids of a conversation, ready for the model to answer. A longer conversation begins with the ids of its shorter
   * beginning.
   */
  encodeChat(turns: readonly TokenizedTurn[]): number[] {
    const messages = turns.map(({ role }, index) => ({ role, content: `\u{F0000}${index}\u{F0001}` }));
    const rendered = this.template.render({ ...this.variables, messages, add_generation_prompt: true });
    return rendered.split(MARK).flatMap((piece, index) => {
      if (index % 2 === 1) return this.contentIds(turns[Number(piece)]);
      return piece === '' ? [] : this.withSpecials.encode(piece, { add_special_tokens: false }).ids;
    });
  }

  /** Decodes a stream without ever giving half a character. */
  streamDecoder(): { push(id: number): string; end(): string } {
    /** Tokens since the text last ended with a whole character, and how much of theirs was given already. */
    let pending: number[] = [];
    let given = 0;
    const advance = (text: string): string => {
      const fresh = text.slice(given);
      given = text.length;
      return fresh;
    };
    return {
      push: (id) => {
        if (this.stopIds.has(id)) return '';
        pending.push(id);
        const text = this.decode(pending);
        // An unfinished character decodes to one U+FFFD at the end; what stands before it can change no more.
        if (text.endsWith('\uFFFD')) return advance(text.slice(0, -1));
        const fresh = advance(text);
        pending = [];
        given = 0;
        return fresh;
      },
      end: () => {
        const fresh = advance(this.decode(pending));
        pending = [];
        given = 0;
        return fresh;
      },
    };
  }

  private contentIds(turn: TokenizedTurn | undefined): readonly number[] {
    if (!turn) return [];
    if (!turn.ids) return this.encode(turn.content);
    const last = turn.ids.at(-1);
    // The template writes the end of the turn itself.
    return last !== undefined && this.stopIds.has(last) ? turn.ids.slice(0, -1) : turn.ids;
  }
}
