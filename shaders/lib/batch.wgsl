// Sizes of this run; grids are computed from the same numbers on the host.
struct Batch {
  tokens: u32,
  targets: u32,
  sequences: u32,
  examples: u32,
}
