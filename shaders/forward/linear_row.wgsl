// linear.wgsl for a single row, as decoding needs it: Y[OUT] = W[OUT, IN] · X[IN] + s·B·XA (+ residual). A thread
// computes 4 columns. Overwrites Y.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<Activation>;
@group(0) @binding(3) var<storage, read> xa: array<f32>;
@group(0) @binding(4) var<storage, read> lora_b: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> lora: Lora;

const WORDS = IN / 8u;
const GROUPS = IN / 32u;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let column = (workgroup.x * WORKGROUP + local.x) * 4u;
  let w0 = min(column, OUT - 4u) * WORDS;
  let s0 = min(column, OUT - 4u) * GROUPS;
  var sum = vec4<f32>();
  for (var word = 0u; word < WORDS; word++) {
    let block = int4_block(w0 + word, WORDS, int4_scales(s0 + word / 4u, GROUPS));
    let values = load_eight_x(word * 8u, lane.index);
    sum += values.low * block.low + values.high * block.high;
  }
  if (column >= OUT) {
    return;
  }
  if (LORA) {
    let inner = lora_inner(0u, column);
    for (var rank = 0u; rank < RANK; rank++) {
      sum += xa[inner + rank] * lora_up(column, rank);
    }
  }
  if (RESIDUAL) {
    sum += residual[column / 4u];
  }
  y[column / 4u] = sum;
}
