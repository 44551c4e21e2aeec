"""The passes of a student in WGSL, to be filled in by `wgsl`."""

HEADER = """\
{about}
//
// A module of compute shaders for WebGPU; kdsharp/apps/pages/webgpu.js runs it. Group 0 holds
//   0  the settings (uniform)
//   1  the luma that comes in (storage, read): width x height floats, row after row, in [0, 1] of the full range
//   2  the luma that comes out (storage), {size}
//   3, 4  features (storage): {vectors} x 16 bytes for each place; a place is {fold}x{fold} pixels, rounded up
//   5  what restraint counts (storage): 4097 x 8 bytes
// and group 1, binding 0 (uniform) what a layer has learnt: for each in turn as many floats as "weights" says, of the
// last line of this file, which is base64 of little-endian float32: a bias for each output, then 4x4 matrices.
// The entry points run in this order, each with workgroups of {side}x{side} over what stands beside it:
// {facts}
// strength: 0 (the frame as it came) to 1. clamped: 1 keeps every value between those of the 3x3 around it.
{restraint}
// Cost: {cost}.
"""
RESTRAINED = """\
// restraint: 1 leaves a frame alone that the network would hardly change (kdsharp/deploy/restraint.py). steps: 255
// judges by what a frame of 8 bits shows of the change, 0 by all of it."""
FREE = "// restraint, steps: the network has no restraint, and the settings do nothing."

COMMON = """\
struct Settings {
    size: vec2u, // of the luma that comes in: width, height
    strength: f32,
    clamped: u32,
    restraint: u32,
    steps: f32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> before: array<f32>;
@group(0) @binding(2) var<storage, read_write> after: array<f32>;
@group(0) @binding(3) var<storage, read_write> even: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> odd: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec2f>;

fn folded() -> vec2i {
    return (vec2i(settings.size) + ${fold} - 1) / ${fold};
}

// Beyond its edges the picture goes on as it ends.
fn luma(place: vec2i) -> f32 {
    let inside = clamp(place, vec2i(0), vec2i(settings.size) - 1);
    return clamp(before[inside.y * i32(settings.size.x) + inside.x], 0.0, 1.0);
}

fn luma_at(point: vec2f) -> f32 {
    let corner = vec2i(floor(point - 0.5));
    let part = fract(point - 0.5);
    let above = mix(luma(corner), luma(corner + vec2i(1, 0)), part.x);
    let below = mix(luma(corner + vec2i(0, 1)), luma(corner + vec2i(1, 1)), part.x);
    return mix(above, below, part.y);
}
"""

FOLD = """\
@compute @workgroup_size($side, $side)
fn fold(@builtin(global_invocation_id) id: vec3u) {
    let place = vec2i(id.xy);
    let size = folded();
    if (any(place >= size)) {
        return;
    }
    let at = place.y * size.x + place.x;
    let plane = size.x * size.y;
$stores}
"""

CONVOLUTION = """\
struct Layer$number {
    biases: array<vec4f, $groups_out>,
    weights: array<mat4x4f, $matrices>, // by four inputs, by the nine places, by four outputs
}

@group(1) @binding(0) var<uniform> learnt$number: Layer$number;
var<workgroup> given$number: array<array<array<vec4f, $rim>, $rim>, $groups_in>;

@compute @workgroup_size($side, $side)
fn layer$number(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) id: vec3u,
    @builtin(local_invocation_index) index: u32,
) {
    let corner = vec2i(group.xy) * $side;
    let size = folded();
    let plane = size.x * size.y;
    for (var cell = i32(index); cell < $rim * $rim; cell += $side * $side) {
        let place = corner + vec2i(cell % $rim, cell / $rim) - 1;
        // Around the picture are zeros, as there were in training.
        let inside = all(place >= vec2i(0)) && all(place < size);
        let at = select(0, place.y * size.x + place.x, inside);
$loads    }
    workgroupBarrier();
$begin    for (var near = 0; near < 9; near++) {
        let row = i32(id.y) + near / 3;
        let column = i32(id.x) + near % 3;
        var v: vec4f;
$sums    }
    let place = corner + vec2i(id.xy);
    if (any(place >= size)) {
        return;
    }
    let at = place.y * size.x + place.x;
$stores}
"""

# The sizes of the correction and of the steps between neighbours, by 64 x 64 parts of every fourth row.
RESTRAINT = """\
fn moved(base: f32, change: f32) -> f32 {
    if (settings.steps == 0.0) {
        return abs(change);
    }
    let ends = round(settings.steps * vec2f(base, clamp(base + change, 0.0, 1.0)));
    return abs(ends.y - ends.x) / settings.steps;
}

@compute @workgroup_size($side, $side)
fn count(@builtin(global_invocation_id) id: vec3u) {
    let part = vec2i(id.xy);
    let size = folded();
    let plane = size.x * size.y;
    let rows = (size.y + $every - 1) / $every;
    var sum = vec2f();
    for (var row = part.y; row < rows; row += 64) {
        for (var column = part.x; column < size.x; column += 64) {
            let place = vec2i(column, row * $every);
            let at = place.y * size.x + place.x;
            sum.y += abs(luma(place * $fold + vec2i(1, 0)) - luma(place * $fold));
$changes        }
    }
    sum.x /= $planes.0;
    parts[part.y * 64 + part.x] = sum / f32(size.x * rows);
}

var<workgroup> found: array<vec2f, 64>;

@compute @workgroup_size($side, $side)
fn share(@builtin(local_invocation_index) index: u32) {
    var sum = vec2f();
    for (var part = index; part < 4096u; part += 64u) {
        sum += parts[part];
    }
    found[index] = sum;
    workgroupBarrier();
    if (index > 0u) {
        return;
    }
    for (var other = 1u; other < 64u; other++) {
        sum += found[other];
    }
    parts[4096] = vec2f(clamp(3.0 * sum.x / (sum.y + $flat) / $full - 2.0, 0.0, 1.0));
}

"""

UNFOLD = """\
@compute @workgroup_size($side, $side)
fn unfold(@builtin(global_invocation_id) id: vec3u) {
    let place = vec2i(id.xy);
    let out_size = $out_size;
    if (any(place >= out_size)) {
        return;
    }
    let size = folded();
    let phase = place % $shuffle;
    let plane = phase.y * $shuffle + phase.x;
    let at = place / $shuffle;
    let found = $correction[((plane / 4) * size.y + at.y) * size.x + at.x];
$base    var value = clamp(base + $share * found[plane % 4], 0.0, 1.0);
    if (settings.clamped == 1u) {
        let middle = place * vec2i(settings.size) / out_size;
        var low = 1.0;
        var high = 0.0;
        for (var row = -1; row <= 1; row++) {
            for (var column = -1; column <= 1; column++) {
                let around = luma(middle + vec2i(column, row));
                low = min(low, around);
                high = max(high, around);
            }
        }
        value = clamp(value, low, high);
    }
    after[place.y * out_size.x + place.x] = mix($before, value, settings.strength);
}
"""
# Of the input enlarged: its nearest pixel; at 1.5, three pixels out of two, whose middle is their mean.
BASE = """\
    let base = luma(place / $scale);
"""
BASE_OF_PAIRS = """\
    let pair = place / 3 * 2;
    let one = pair + place % 3 / 2;
    let other = pair + (place % 3 + 1) / 2;
    let base = 0.25 * (luma(one) + luma(vec2i(other.x, one.y)) + luma(vec2i(one.x, other.y)) + luma(other));
"""
