// X · Wᵀ of linear.wgsl: lanes share what they load of X.
fn add_row(
  index: u32,
  lane: u32,
  first: Int4Block,
  second: Int4Block,
  left: ptr<function, vec4<f32>>,
  right: ptr<function, vec4<f32>>,
) {
  let values = load_eight_x(index, lane);
  *left += values.low * first.low + values.high * first.high;
  *right += values.low * second.low + values.high * second.high;
}

fn product(workgroup: vec3<u32>, thread: u32, lane: u32) -> Sums {
  let row = first_row(workgroup, thread);
  let column = min(first_column(workgroup, thread), OUT - 8u);
  let w0 = column * WORDS;
  let s0 = column * GROUPS;
  var left_$r = vec4<f32>();
  var right_$r = vec4<f32>();
  for (var group = 0u; group < GROUPS; group++) {
    let first_scales = int4_scales(s0 + group, GROUPS);
    let second_scales = int4_scales(s0 + group + 4u * GROUPS, GROUPS);
    for (var word = 4u * group; word < 4u * group + 4u; word++) {
      let first = int4_block(w0 + word, WORDS, first_scales);
      let second = int4_block(w0 + word + 4u * WORDS, WORDS, second_scales);
      let k = row * IN + word * 8u;
      add_row(k + $r * IN, lane, first, second, &left_$r, &right_$r);
    }
  }
  var sums: Sums;
  sums.left_$r = left_$r;
  sums.right_$r = right_$r;
  return sums;
}
