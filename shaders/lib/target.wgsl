// A row whose next token is scored.
struct Target {
  // Row of the activations.
  row: u32,
  // The token that follows it.
  token: u32,
  // The sequence it belongs to.
  sequence: u32,
  // The last token of its sequence.
  end: u32,
}

// A run of targets small enough for its logits to fit in memory.
struct Chunk {
  // Rows of this run: also the `tokens` of Batch to the kernels that see only its rows.
  count: u32,
  // Its first target.
  start: u32,
  unused_0: u32,
  unused_1: u32,
}
