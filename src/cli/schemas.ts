import * as v from 'valibot';

/** Turns of a chat. */
export const Turns = v.pipe(
  v.array(v.strictObject({ role: v.picklist(['system', 'user', 'assistant']), content: v.string() })),
  v.minLength(1, 'a chat needs at least one message'),
);

/** A line of `score --pairs`. */
export const PairLine = v.object({ messages: Turns, chosen: v.string(), rejected: v.string() });

/** A line of `train --signals`. */
export const SignalLine = v.union(
  [
    PairLine,
    v.object({ messages: Turns, reply: v.string(), thumb: v.picklist(['up', 'down']) }),
    v.object({ text: v.pipe(v.string(), v.minLength(1)) }),
  ],
  'a signal has messages with chosen and rejected, messages with reply and thumb, or text',
);
