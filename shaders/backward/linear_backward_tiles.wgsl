// dY · W of linear_backward.wgsl by tiles in workgroup memory.
fn row_value(index: u32) -> f32 {
  return dy[index];
}

// The four low columns of four rows of W, four terms of a sum; the high ones lie eight vectors behind.
fn tile_block(k: u32, vector: u32) -> mat4x4<f32> {
  let at = k * 64u + vector;
  return mat4x4<f32>(tile_weights[at], tile_weights[at + 16u], tile_weights[at + 32u], tile_weights[at + 48u]);
}

fn product(workgroup: vec3<u32>, thread: u32, lane: u32) -> Sums {
  // A thread unpacks half a row of the tile, one group.
  let half = thread % 2u;
  let group = min(workgroup.x * 2u + half, IN / 32u - 1u);
  let vector = thread % 8u;
  let row = tile_row(thread / 8u * ROWS);
  var low_$r = vec4<f32>();
  var high_$r = vec4<f32>();
  for (var start = 0u; start < OUT; start += 32u) {
    let loaded = (start + thread / 2u) * (IN / 32u) + group;
    let s = int4_scale(loaded);
    for (var word = 0u; word < 4u; word++) {
      let packed = weight[loaded * 4u + word];
      let at = thread / 2u * 16u + half * 4u + word;
      tile_weights[at] = int4_low(packed) * s;
      tile_weights[at + 8u] = int4_high(packed) * s;
    }
    load_rows(workgroup, thread, start, OUT);
    workgroupBarrier();
    for (var k = 0u; k < 8u; k++) {
      let low = tile_block(k, vector);
      let high = tile_block(k, vector + 8u);
      let dy_$r = tile_rows[row + $r * 8u + k];
      low_$r += low * dy_$r;
      high_$r += high * dy_$r;
    }
    workgroupBarrier();
  }
  var sums: Sums;
  sums.low_$r = low_$r;
  sums.high_$r = high_$r;
  return sums;
}
