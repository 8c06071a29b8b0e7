// Y[T, OUT] = X[T, IN] · Wᵀ + s·XA·Bᵀ (+ residual), W[OUT, IN] a stack of int4 matrices with a LoRA for each part
// (Hu et al. 2021, eq. 3). A thread computes ROWS rows by 8 columns; where they begin and how X · Wᵀ comes about says
// linear_lanes.wgsl or linear_tiles.wgsl. Overwrites Y.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<Activation>;
@group(0) @binding(3) var<storage, read> xa: array<f32>;
@group(0) @binding(4) var<storage, read> lora_b: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> lora: Lora;
@group(0) @binding(8) var<uniform> batch: Batch;

const WORDS = IN / 8u;
const GROUPS = IN / 32u;

// Four columns to the left and four to the right of each row.
struct Sums {
  left_$r: vec4<f32>,
  right_$r: vec4<f32>,
}

fn store(row: u32, column: u32, value: vec4<f32>) {
  if (row >= batch.tokens || column >= OUT) {
    return;
  }
  let index = (row * OUT + column) / 4u;
  var total = value;
  if (RESIDUAL) {
    total += residual[index];
  }
  y[index] = total;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let row = first_row(workgroup, local.x);
  let column = first_column(workgroup, local.x);
  var sums = product(workgroup, local.x, lane.index);
  if (LORA && column < OUT) {
    // The bound is not a constant: unrolled by all rows, this made compilers take seconds.
    let ranks = select(0u, RANK, batch.tokens > 0u);
    let inner = lora_inner(row, column);
    for (var rank = 0u; rank < ranks; rank++) {
      let b_left = lora_up(column, rank);
      let b_right = lora_up(column + 4u, rank);
      let xa_$r = xa[inner + $r * PARTS * RANK + rank];
      sums.left_$r += xa_$r * b_left;
      sums.right_$r += xa_$r * b_right;
    }
  }
  store(row + $r, column, sums.left_$r);
  store(row + $r, column + 4u, sums.right_$r);
}
