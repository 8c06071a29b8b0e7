// dA[INNER, IN] += s·dXBᵀ·X. A thread sums four rows of one column over all tokens.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dxb: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> grad_a: array<f32>;
@group(0) @binding(3) var<uniform> lora: Lora;
@group(0) @binding(4) var<uniform> batch: Batch;

const QUADS = INNER / 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let quad = id.y;
  if (column >= IN) {
    return;
  }
  var sum = vec4<f32>();
  for (var t = 0u; t < batch.tokens; t++) {
    sum += x[t * IN + column] * dxb[t * QUADS + quad];
  }
  for (var j = 0u; j < 4u; j++) {
    grad_a[(quad * 4u + j) * IN + column] += lora.scale * sum[j];
  }
}
