// Y[T, OUT] = X[T, IN] · Wᵀ + s·XA·Bᵀ (+ residual), W[OUT, IN] a stack of int4 matrices with a LoRA for each part
// (Hu et al. 2021, eq. 3). A thread computes ROWS rows by 8 columns. Overwrites Y.
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
  let column = (workgroup.x * WORKGROUP + local.x) * 8u;
  let row = workgroup.y * ROWS;
  let w0 = min(column, OUT - 8u) * WORDS;
  let s0 = min(column, OUT - 8u) * GROUPS;
  var left_$r = vec4<f32>();
  var right_$r = vec4<f32>();
  for (var group = 0u; group < GROUPS; group++) {
    let first_scales = int4_scales(s0 + group, GROUPS);
    let second_scales = int4_scales(s0 + group + 4u * GROUPS, GROUPS);
    for (var word = 4u * group; word < 4u * group + 4u; word++) {
      let first = int4_block(w0 + word, WORDS, first_scales);
      let second = int4_block(w0 + word + 4u * WORDS, WORDS, second_scales);
      let k = row * IN + word * 8u;
      add_row(k + $r * IN, lane.index, first, second, &left_$r, &right_$r);
    }
  }
  if (LORA && column < OUT) {
    // The bound is not a constant: unrolled by all rows, this made compilers take seconds.
    let ranks = select(0u, RANK, batch.tokens > 0u);
    let inner = lora_inner(row, column);
    for (var rank = 0u; rank < ranks; rank++) {
      let b_left = lora_up(column, rank);
      let b_right = lora_up(column + 4u, rank);
      let xa_$r = xa[inner + $r * PARTS * RANK + rank];
      left_$r += xa_$r * b_left;
      right_$r += xa_$r * b_right;
    }
  }
  store(row + $r, column, left_$r);
  store(row + $r, column + 4u, right_$r);
}
