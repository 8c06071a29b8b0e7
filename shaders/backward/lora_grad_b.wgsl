// dB[OUT, RANK] += s·dYᵀ·XA of the column's part. A thread sums four ranks of one row of B over all tokens.
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> xa: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> grad_b: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> lora: Lora;
@group(0) @binding(4) var<uniform> batch: Batch;

const QUADS = RANK / 4u;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let o = id.x;
  let quad = id.y;
  if (o >= OUT) {
    return;
  }
  let part = u32(o >= PART_END_0) + u32(o >= PART_END_1);
  var sum = vec4<f32>();
  for (var t = 0u; t < batch.tokens; t++) {
    sum += dy[t * OUT + o] * xa[(t * PARTS + part) * QUADS + quad];
  }
  grad_b[o * QUADS + quad] += lora.scale * sum;
}
