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

fn sees(token: Token, row: u32) -> bool {
  return (row >= token.prefix_start && row < token.prefix_end) || (row >= token.own_start && row <= token.row);
}

// The first row that a token or one packed behind it sees.
fn first_seen(token: Token) -> u32 {
  return select(token.own_start, token.prefix_start, token.prefix_end > token.prefix_start);
}
