// dX[T, IN] = dY[T, OUT] · W + s·dXB·A: the input gradient of linear.wgsl from the same int4 buffer. A thread computes ROWS
// rows by 8 columns; where they begin and how dY · W comes about says linear_backward_lanes.wgsl or
// linear_backward_tiles.wgsl. Overwrites dX. dxb: dY·B, [T, INNER]; lora_a: [INNER, IN], INNER = PARTS·RANK.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dxb: array<f32>;
@group(0) @binding(4) var<storage, read> lora_a: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> lora: Lora;
@group(0) @binding(7) var<uniform> batch: Batch;

const WORDS = IN / 8u;

// Four low and four high columns of each row.
struct Sums {
  low_$r: vec4<f32>,
  high_$r: vec4<f32>,
}

fn store(row: u32, word: u32, low: vec4<f32>, high: vec4<f32>) {
  if (row >= batch.tokens || word >= WORDS) {
    return;
  }
  dx[(row * WORDS + word) * 2u] = low;
  dx[(row * WORDS + word) * 2u + 1u] = high;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let row = first_row(workgroup, local.x);
  let word = first_column(workgroup, local.x) / 8u;
  var sums = product(workgroup, local.x, lane.index);
  if (LORA && word < WORDS) {
    // The bound is not a constant: unrolled by all rows, this made compilers take seconds.
    let inner = select(0u, INNER, batch.tokens > 0u);
    for (var j = 0u; j < inner; j++) {
      let a_low = lora.scale * lora_a[(j * WORDS + word) * 2u];
      let a_high = lora.scale * lora_a[(j * WORDS + word) * 2u + 1u];
      let index = row * INNER + j;
      let dxb_$r = dxb[index + $r * INNER];
      sums.low_$r += dxb_$r * a_low;
      sums.high_$r += dxb_$r * a_high;
    }
  }
  store(row + $r, word, sums.low_$r, sums.high_$r);
}
