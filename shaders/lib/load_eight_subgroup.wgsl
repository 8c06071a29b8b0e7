// Eight consecutive values of $array, the same for all lanes.
fn load_eight_$array(index: u32, lane: u32) -> Eight {
  if (LANES == 8u) {
    return share_eight(f32($array[index + (lane & 7u)]));
  }
  let at = index + (lane & 3u);
  return Eight(share_four(f32($array[at])), share_four(f32($array[at + 4u])));
}
