// Squares of the gradient arena, summed by GROUPS workgroups: partials[GROUPS]. adamw.wgsl adds the partials.
@group(0) @binding(0) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(ROW_THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  var sum = 0.0;
  for (var i = workgroup.x * ROW_THREADS + thread; i < SIZE / 4u; i += GROUPS * ROW_THREADS) {
    sum += dot(gradients[i], gradients[i]);
  }
  let total = workgroup_sum(sum, thread);
  if (thread == 0u) {
    partials[workgroup.x] = total;
  }
}
