// Eight consecutive values of $name, the same for all lanes.
fn load_eight_$name(index: u32, lane: u32) -> Eight {
  if (LANES == 8u) {
    return share_eight($[index + (lane & 7u)$]);
  }
  let at = index + (lane & 3u);
  return Eight(share_four($[at$]), share_four($[at + 4u$]));
}
