/**
 * A conversation as a tree: each message names its parent, and siblings are branches. Pure functions over the messages
 * of one conversation, in any order.
 */
import type { Message } from '../../shared/records';

type Messages = ReadonlyMap<string, Message>;

/** The branch that ends in `headId`, from the first message to it. Empty when the head is null or unknown. */
export function pathTo(messages: Messages, headId: string | null): Message[] {
  const path: Message[] = [];
  const seen = new Set<string>();
  let id = headId;
  while (id !== null && !seen.has(id)) {
    seen.add(id); // a damaged record may name itself as an ancestor
    const message = messages.get(id);
    if (message === undefined) break;
    path.push(message);
    id = message.parentId;
  }
  return path.reverse();
}

/** The messages that answer the same parent as this one, itself included, oldest first. Empty when it is unknown. */
export function siblingsOf(messages: Messages, id: string): Message[] {
  const own = messages.get(id);
  return own === undefined ? [] : childrenOf(messages, own.parentId).filter(({ role }) => role === own.role);
}

/** The end of the branch below a message, following the newest child each time: the message itself when it has none. */
export function leafBelow(messages: Messages, id: string): string {
  const seen = new Set<string>();
  let leaf = id;
  while (!seen.has(leaf)) {
    seen.add(leaf);
    const newest = childrenOf(messages, leaf).at(-1);
    if (newest === undefined) break;
    leaf = newest.id;
  }
  return leaf;
}

/** The leaf of the newest branch of the whole tree, for a conversation whose head is lost; null when it is empty. */
export function newestLeaf(messages: Messages): string | null {
  const newest = [...messages.values()].sort(byAge).at(-1);
  return newest === undefined ? null : leafBelow(messages, newest.id);
}

function childrenOf(messages: Messages, parentId: string | null): Message[] {
  return [...messages.values()].filter((message) => message.parentId === parentId).sort(byAge);
}

function byAge(a: Message, b: Message): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
