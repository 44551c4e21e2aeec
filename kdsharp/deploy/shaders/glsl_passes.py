"""The passes of a user shader in GLSL, to be filled in by `glsl`."""

HEADER = """\
{about}
//
//     mpv --vo=gpu-next --glsl-shaders={name}.glsl --glsl-shader-opts=strength=0.8,clamped=1 VIDEO
//
// mpv's gpu-next, and any other program that draws by libplacebo (5.264 or newer), runs it on videos with a plane of
// luma (Y'CbCr, of any depth of bits), where compute shaders run; RGB stays as it is. It works on the decoded frame
// before it is scaled: {size}
// The plane comes as it is stored, so the shader widens the studio range (black 16, white 235 of 255) itself, and
// narrows it again; full_range=1 is for videos of the full range (those marked "pc" or "full"), which it cannot see.
// strength: 0 (the frame as it came) to 1. clamped=1: every value between those of the 3x3 around it, no ringing.
{restraint}
// Cost: {cost}.
"""
SAME = "the same size comes out."
LARGER = "{scale:g} times as large comes out. It is skipped where the video is shown no larger than it is."
RESTRAINED = """\
// Restraint: a frame that the network would hardly change is left alone (kdsharp/deploy/restraint.py). Two small passes
// judge each frame as a whole, by what 8 bits show of the change (fine=1: by all of it); restraint=0 corrects every
// frame."""
FREE = "// The network has no restraint: it corrects every frame by as much as it sees fit."

PARAMETER = """\
//!PARAM $name
//!DESC $about
//!TYPE $kind
//!MINIMUM 0
//!MAXIMUM 1
$initial
"""

HEAD = """\
//!HOOK LUMA
$binds//!SAVE $save
//!DESC $about
//!WIDTH $width
//!HEIGHT $height
//!COMPUTE $block
$when"""

# mpv hands the plane over as it is stored: in most videos black is 16 and white 235 of 255.
LUMA = """\
float luma_at(vec2 point) {
    const float value = LUMA_tex(point * LUMA_pt).x;
    return clamp(full_range == 1 ? value : (value * 255.0 - 16.0) / 219.0, 0.0, 1.0);
}

float luma(ivec2 place) {
    return luma_at(vec2(place) + 0.5);
}

"""

FOLD = """\
void hook() {
    const ivec2 place = ivec2(gl_GlobalInvocationID.xy);
$stores}
"""

CONVOLUTION = """\
shared vec4 given[$groups][$side][$side];

void hook() {
    const ivec2 corner = ivec2(gl_WorkGroupID.xy) * $places, size = ivec2($source_size) / ivec2($tile);
    for (int at = int(gl_LocalInvocationIndex); at < $side * $side; at += $places * $places) {
        const ivec2 cell = ivec2(at % $side, at / $side), place = corner + cell - 1, base = place * ivec2($tile);
        // Around the picture are zeros, as there were in training.
        const bool inside = all(greaterThanEqual(place, ivec2(0))) && all(lessThan(place, size));
$loads    }
    barrier();
    const int x = int(gl_LocalInvocationID.x), y = int(gl_LocalInvocationID.y);
    vec4 v;
$sums    const ivec2 to = (corner + ivec2(x, y)) * ivec2($to_tile);
$stores}
"""

# The sizes of the correction and of the steps between neighbours, by 64 x 64 parts of every fourth row.
PARTS = """\
float moved(ivec2 at) {
    const vec4 base = texelFetch(FOLDED_raw, at, 0), change = texelFetch(CORRECTION_raw, at, 0);
    if (fine == 1)
        return dot(abs(change), vec4(1.0));
    const vec4 after = clamp(base + change, 0.0, 1.0);
    return dot(abs(roundEven(255.0 * after) - roundEven(255.0 * base)), vec4(1.0 / 255.0));
}

void hook() {
    const ivec2 part = ivec2(gl_GlobalInvocationID.xy), size = ivec2(FOLDED_size) / ivec2($tile);
    const int rows = (size.y + $every - 1) / $every;
    float change = 0.0, steps = 0.0;
    for (int row = part.y; row < rows; row += 64) {
        for (int column = part.x; column < size.x; column += 64) {
            const ivec2 base = ivec2(column, row * $every) * ivec2($tile);
            const vec4 first = texelFetch(FOLDED_raw, base, 0);
            steps += abs(first.y - first.x);
$changes        }
    }
    // Means, as large as half floats like them.
    imageStore(out_image, part, vec4(change / $planes.0, steps, 0.0, 0.0) * 4096.0 / float(size.x * rows));
}
"""

SHARE = """\
shared vec2 found[256];

void hook() {
    const int at = int(gl_LocalInvocationIndex);
    vec2 sum = vec2(0.0);
    for (int part = at; part < 64 * 64; part += 256)
        sum += texelFetch(PARTS_raw, ivec2(part % 64, part / 64), 0).xy;
    found[at] = sum;
    barrier();
    if (at > 0)
        return;
    for (int other = 1; other < 256; other++)
        sum += found[other];
    sum /= 4096.0;
    const float share = clamp(3.0 * sum.x / (sum.y + $flat) / $full - 2.0, 0.0, 1.0);
    imageStore(out_image, ivec2(0), vec4(share));
}
"""

UNFOLD = """\
void hook() {
    const ivec2 place = ivec2(gl_GlobalInvocationID.xy);
    const ivec2 folded = place / $shuffle, phase = place % $shuffle;
    const int plane = phase.y * $shuffle + phase.x, group = plane / 4;
    const vec4 found = texelFetch(CORRECTION_raw, folded * ivec2($tile) + ivec2(group % $columns, group / $columns), 0);
$base    float after = base + $share * found[plane % 4];
    after = clamp(after, 0.0, 1.0);
    if (clamped == 1) {
        const ivec2 middle = $middle;
        float low = 1.0, high = 0.0;
        for (int row = -1; row <= 1; row++) {
            for (int column = -1; column <= 1; column++) {
                const float value = luma(middle + ivec2(column, row));
                low = min(low, value);
                high = max(high, value);
            }
        }
        after = clamp(after, low, high);
    }
    after = mix($before, after, strength);
    imageStore(out_image, place, vec4(full_range == 1 ? after : (after * 219.0 + 16.0) / 255.0));
}
"""

# Of the input enlarged: its nearest pixel; at 1.5, three pixels out of two, whose middle is their mean.
BASE = """\
    const float base = luma(place / $scale);
"""
BASE_OF_PAIRS = """\
    const ivec2 pair = place / 3 * 2, one = pair + place % 3 / 2, other = pair + (place % 3 + 1) / 2;
    const float base = 0.25 * (luma(one) + luma(ivec2(other.x, one.y)) + luma(ivec2(one.x, other.y)) + luma(other));
"""
