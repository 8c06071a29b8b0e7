// X · Wᵀ of linear.wgsl by tiles in workgroup memory.
fn row_value(index: u32) -> f32 {
  return f32(x[index]);
}

// Eight vectors of a column of Wᵀ.
fn tile_column(column: u32) -> u32 {
  return column * 8u + column / 8u;
}

fn tile_block(column: u32, k: u32) -> mat4x4<f32> {
  let at = tile_column(column) + k;
  return mat4x4<f32>(tile_weights[at], tile_weights[at + 8u], tile_weights[at + 16u], tile_weights[at + 24u]);
}

fn product(workgroup: vec3<u32>, thread: u32, lane: u32) -> Sums {
  let loaded = min(workgroup.x * TILE_COLUMNS + thread, OUT - 1u);
  let column = thread % 8u * 8u;
  let row = tile_row(thread / 8u * ROWS);
  var left_$r = vec4<f32>();
  var right_$r = vec4<f32>();
  for (var group = 0u; group < GROUPS; group++) {
    // A thread unpacks a column's group.
    let s = int4_scale(loaded * GROUPS + group);
    for (var word = 0u; word < 4u; word++) {
      let packed = weight[loaded * WORDS + group * 4u + word];
      tile_weights[tile_column(thread) + word * 2u] = int4_low(packed) * s;
      tile_weights[tile_column(thread) + word * 2u + 1u] = int4_high(packed) * s;
    }
    load_rows(workgroup, thread, group * 32u, IN);
    workgroupBarrier();
    for (var k = 0u; k < 8u; k++) {
      let first = tile_block(column, k);
      let second = tile_block(column + 4u, k);
      let x_$r = tile_rows[row + $r * 8u + k];
      left_$r += x_$r * first;
      right_$r += x_$r * second;
    }
    workgroupBarrier();
  }
  var sums: Sums;
  sums.left_$r = left_$r;
  sums.right_$r = right_$r;
  return sums;
}
