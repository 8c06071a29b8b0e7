// One row of a packed batch. It sees the keys of rows [prefix_start, prefix_end) and [own_start, row]: in a chat the
// prefix is empty and own_start is 0; in a training pair the prefix is the shared prompt.
struct Token {
  id: u32,
  position: u32,
  prefix_start: u32,
  prefix_end: u32,
  own_start: u32,
  row: u32,
  // Rows from this one up to group_end may see this one's key.
  group_end: u32,
  unused: u32,
}
