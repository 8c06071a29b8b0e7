/** The address after its #: it names what the page shows, so that a reload stays there and Back leads back. */

export type Place =
  | { page: 'learning' }
  | { page: 'adapters' }
  /** Null: a new chat, not written yet. */
  | { page: 'chat'; id: string | null };

const LEARNING = '#learning';
const ADAPTERS = '#adapters';
const CHAT_PREFIX = '#chat=';

/** What the end of an address names. */
export function placeOf(hash: string): Place {
  if (hash === LEARNING) return { page: 'learning' };
  if (hash === ADAPTERS) return { page: 'adapters' };
  return { page: 'chat', id: hash.startsWith(CHAT_PREFIX) ? hash.slice(CHAT_PREFIX.length) : null };
}

/** The end of the address of a place, as a link takes it. */
export function hashOf(place: Place): string {
  if (place.page === 'learning') return LEARNING;
  if (place.page === 'adapters') return ADAPTERS;
  return place.id === null ? '#' : CHAT_PREFIX + place.id;
}

/** Names a place in the address, without a new entry in the history. */
export function nameInAddress(place: Place): void {
  const hash = hashOf(place).replace(/^#$/, ''); // as `location` has it
  if (location.hash !== hash) history.replaceState(null, '', location.pathname + location.search + hash);
}
