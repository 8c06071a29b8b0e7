// dY · W of linear_backward.wgsl: lanes share what they load of dY. W's rows, packed along IN, are the tile it needs.
fn weights(row: u32, word: u32, lane: u32) -> Int4Block {
  let index = row * WORDS + word;
  return int4_block(index, WORDS, int4_scales_of_quad(index / 4u, WORDS / 4u, lane));
}

fn add_row(
  index: u32,
  lane: u32,
  first: Int4Block,
  second: Int4Block,
  low: ptr<function, vec4<f32>>,
  high: ptr<function, vec4<f32>>,
) {
  let values = load_eight_dy(index, lane);
  *low += first.low * values.low + second.low * values.high;
  *high += first.high * values.low + second.high * values.high;
}

fn product(workgroup: vec3<u32>, thread: u32, lane: u32) -> Sums {
  let row = first_row(workgroup, thread);
  let word = min(first_column(workgroup, thread) / 8u, WORDS - 1u);
  var low_$r = vec4<f32>();
  var high_$r = vec4<f32>();
  for (var k = 0u; k < OUT; k += 8u) {
    let first = weights(k, word, lane);
    let second = weights(k + 4u, word, lane);
    let index = row * OUT + k;
    add_row(index + $r * OUT, lane, first, second, &low_$r, &high_$r);
  }
  var sums: Sums;
  sums.low_$r = low_$r;
  sums.high_$r = high_$r;
  return sums;
}
