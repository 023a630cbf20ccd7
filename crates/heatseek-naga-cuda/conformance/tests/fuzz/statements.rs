//! Random programs: variables, branches, loops, switches, calls, and exchanges between threads.

use std::fmt::Write;

use crate::OUTPUTS;
use crate::expressions::{Expressions, Variable};
use crate::random::Random;
use crate::types::{Scalar, Type};

/// A kernel `main`, and what each of a thread's output words is.
pub struct Program {
    pub wgsl: String,
    /// Of its pipeline constants.
    pub constants: [(&'static str, f64); 2],
    pub outputs: [Scalar; OUTPUTS],
}

const TYPES: &[Type] = &[
    Type::new(Scalar::I32, 1),
    Type::new(Scalar::I32, 2),
    Type::new(Scalar::I32, 3),
    Type::new(Scalar::I32, 4),
    Type::new(Scalar::U32, 1),
    Type::new(Scalar::U32, 3),
    Type::new(Scalar::U32, 4),
    Type::new(Scalar::F32, 1),
    Type::new(Scalar::F32, 2),
    Type::new(Scalar::F32, 3),
    Type::new(Scalar::F32, 4),
    Type::new(Scalar::Bool, 1),
    Type::new(Scalar::Bool, 3),
];

/// What every program begins with. `Record` has members whose places follow from their alignment; f16 is what rows are
/// stored as and nothing is computed in, as in our kernels.
const PREAMBLE: &str = "
enable f16;
override width: u32;
override factor: f32;
struct Params { rows: u32, sequences: u32, scale: f32, tiles: i32 }
struct Pair { sum: vec4<f32>, other: vec3<i32> }
struct Record { a: vec3<i32>, b: u32, c: array<u32, 3>, d: vec2<u32>, e: array<vec3<u32>, 2> }
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@group(0) @binding(2) var<storage, read> records: array<Record>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> halves: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read> vectors: array<vec4<f32>>;
var<workgroup> exchanged: array<u32, 64>;
var<workgroup> staged: array<vec4<f32>, 64>;
var<workgroup> rows: array<vec3<i32>, 8>;
var<workgroup> total: atomic<u32>;
var<private> kept: vec4<i32>;
fn quarters1(x: f32) -> f32 { return clamp(floor(x * 4.0) * 0.25, -64.0, 64.0); }
fn quarters2(x: vec2<f32>) -> vec2<f32> { return clamp(floor(x * 4.0) * 0.25, vec2(-64.0), vec2(64.0)); }
fn quarters3(x: vec3<f32>) -> vec3<f32> { return clamp(floor(x * 4.0) * 0.25, vec3(-64.0), vec3(64.0)); }
fn quarters4(x: vec4<f32>) -> vec4<f32> { return clamp(floor(x * 4.0) * 0.25, vec4(-64.0), vec4(64.0)); }
fn half_of(x: vec4<f32>) -> vec4<f16> { return vec4<f16>(clamp(x, vec4(-65504.0), vec4(65504.0))); }
fn gathered(pair: Pair, value: vec4<f32>, count: i32) -> Pair {
    switch (count & 3) {
        case 0: { return Pair(quarters4(pair.sum + value * factor), pair.other + count); }
        case 1, 2: { return Pair(max(pair.sum, value), pair.other.zxy); }
        default: {
            if (width > 3u) { return pair; }
            return Pair(value, pair.other * 3);
        }
    }
}
fn early(a: i32, b: ptr<function, u32>) -> i32 {
    for (var i = 0u; i < 4u; i++) {
        if (a > i32(i * 9u)) { *b = *b + i; continue; }
        kept.y = a;
        if ((*b & 1u) == 1u) { return a - i32(i); }
    }
    return kept.x ^ i32(*b);
}
";

/// The program of this seed.
pub fn program(seed: u64) -> Program {
    let mut writer =
        Writer { random: Random::new(seed), variables: Vec::new(), text: PREAMBLE.to_owned(), names: 0 };
    writer.line("@compute @workgroup_size(64)");
    writer.line(
        "fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {",
    );
    writer.line("let first = (group.x * 64u + lane) * 8u;");
    for i in 0..4 {
        writer.variable(Type::new(Scalar::U32, 1), &format!("input[first + {i}u]"));
        writer.variable(Type::new(Scalar::I32, 1), &format!("bitcast<i32>(input[first + {}u])", i + 4));
    }
    writer.variable(Type::new(Scalar::F32, 1), "f32(lane) * 0.5 - 16.0");
    writer.variable(Type::new(Scalar::F32, 1), "f32(input[first] % 256u) * 0.25 - 32.0");
    writer.variable(Type::new(Scalar::Bool, 1), "(lane & 1u) == 0u");
    writer.variable(Type::new(Scalar::I32, 3), "records[lane % 4u].a");
    writer.variable(Type::new(Scalar::U32, 1), "records[lane % 4u].b ^ records[lane / 16u].c[lane % 3u]");
    writer.variable(Type::new(Scalar::U32, 3), "records[lane % 4u].e[lane % 2u] + records[1].d.yxy");
    writer.variable(Type::new(Scalar::U32, 1), "width ^ params.rows");
    writer.variable(Type::new(Scalar::I32, 1), "params.tiles");
    writer.variable(Type::new(Scalar::F32, 1), "quarters1(factor * params.scale)");
    writer.variable(Type::new(Scalar::F32, 4), "vectors[first / 8u + (params.sequences & 1u)]");
    writer.line("let own = first / 8u;\nvar table: array<vec2<i32>, 4>;");
    writer.line(&format!("kept = vec4<i32>(i32(lane), -3, {}, 7);", seed % 1000));
    writer.line("halves[own] = vec4<f16>();");
    for _ in 0..2 {
        writer.block(2, None);
        writer.exchange();
    }
    writer.finish()
}

struct Writer {
    random: Random,
    variables: Vec<Variable>,
    text: String,
    names: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn expression(&mut self, ty: Type) -> String {
        Expressions { random: &mut self.random, variables: &self.variables }.of(ty, 2)
    }

    /// A new variable, in scope until the block ends.
    fn variable(&mut self, ty: Type, value: &str) {
        let name = format!("v{}", self.names);
        self.names += 1;
        self.line(&format!("var {name}: {ty} = {value};"));
        self.variables.push(Variable { name, ty });
    }

    /// A few statements. In a loop, `going_on` says so: there may be `break` and `continue`.
    fn block(&mut self, depth: usize, in_loop: Option<()>) {
        for _ in 0..1 + self.random.below(3) {
            self.statement(depth, in_loop);
        }
    }

    /// A block in braces, with a scope of its own.
    fn scope(&mut self, depth: usize, in_loop: Option<()>) {
        let outside = self.variables.len();
        self.line("{");
        self.block(depth, in_loop);
        self.line("}");
        self.variables.truncate(outside);
    }

    fn statement(&mut self, depth: usize, in_loop: Option<()>) {
        let kind = self.random.below(if depth == 0 { 8 } else { 12 });
        match kind {
            0 => {
                let ty = self.random.of(TYPES);
                let value = self.expression(ty);
                self.variable(ty, &value);
            }
            1 | 2 => self.assignment(),
            3 => self.table(),
            4 => self.call(),
            5 if in_loop.is_some() => {
                let condition = self.expression(Type::new(Scalar::Bool, 1));
                let jump = self.random.of(&["break", "continue"]);
                self.line(&format!("if ({condition}) {{ {jump}; }}"));
            }
            5 => self.assignment(),
            6 => self.pair(),
            7 => self.halves(),
            8 | 9 => {
                let condition = self.expression(Type::new(Scalar::Bool, 1));
                self.line(&format!("if ({condition})"));
                self.scope(depth - 1, in_loop);
                if self.random.percent(50) {
                    self.line("else");
                    self.scope(depth - 1, in_loop);
                }
            }
            10 => self.switch(depth - 1, in_loop),
            _ => self.repetition(depth - 1),
        }
    }

    fn assignment(&mut self) {
        let target = self.variables[self.random.below(self.variables.len())].clone();
        if target.ty.size > 1 && self.random.percent(40) {
            let value = self.expression(Type::new(target.ty.scalar, 1));
            let component = if self.random.percent(50) {
                format!(".{}", ["x", "y", "z", "w"][self.random.below(target.ty.size)])
            } else {
                format!("[{} % {}u]", self.expression(Type::new(Scalar::U32, 1)), target.ty.size)
            };
            self.line(&format!("{}{component} = {value};", target.name));
        } else {
            let value = self.expression(target.ty);
            self.line(&format!("{} = {value};", target.name));
        }
    }

    /// Memory of a thread by an index: an array, and a variable of the module.
    fn table(&mut self) {
        let index = self.expression(Type::new(Scalar::U32, 1));
        let value = self.expression(Type::new(Scalar::I32, 2));
        self.line(&format!("table[{index} % 4u] = {value};"));
        self.line(&format!("kept[{index} % 4u] += table[({index} + 1u) % 4u].y;"));
    }

    fn call(&mut self) {
        let unsigned: Vec<_> = self
            .variables
            .iter()
            .filter(|variable| variable.ty == Type::new(Scalar::U32, 1))
            .cloned()
            .collect();
        let changed = unsigned[self.random.below(unsigned.len())].name.clone();
        let argument = self.expression(Type::new(Scalar::I32, 1));
        self.variable(Type::new(Scalar::I32, 1), &format!("early({argument}, &{changed})"));
    }

    /// A struct that is passed by value and comes back changed.
    fn pair(&mut self) {
        let (four, three) = (Type::new(Scalar::F32, 4), Type::new(Scalar::I32, 3));
        let name = format!("pair{}", self.names);
        self.names += 1;
        let (sum, other) = (self.expression(four), self.expression(three));
        self.line(&format!("var {name} = Pair({sum}, {other});"));
        let (value, count) = (self.expression(four), self.expression(Type::new(Scalar::I32, 1)));
        self.line(&format!("{name} = gathered({name}, {value}, {count});"));
        self.variable(four, &format!("{name}.sum"));
        self.variable(three, &format!("{name}.other"));
    }

    /// What goes to memory as f16, and comes back.
    fn halves(&mut self) {
        let four = Type::new(Scalar::F32, 4);
        let value = self.expression(four);
        self.line(&format!("halves[own] = half_of({value});"));
        self.variable(four, "vec4<f32>(halves[own])");
    }

    fn switch(&mut self, depth: usize, in_loop: Option<()>) {
        let selector = self.expression(Type::new(Scalar::I32, 1));
        self.line(&format!("switch ({selector} % 6) {{"));
        for case in ["case 0:", "case 1, -2:", "case 3, default:", "case -1, 4:"] {
            self.line(case);
            self.scope(depth, in_loop);
        }
        self.line("}");
    }

    /// A loop that ends after a few rounds, whatever is in it.
    fn repetition(&mut self, depth: usize) {
        let counter = format!("round{}", self.names);
        self.names += 1;
        let rounds = 1 + self.random.below(5);
        match self.random.below(3) {
            0 => {
                let bound = self.random.of(&["width % 5u", "params.rows % 3u + 1u"]);
                let bound = if self.random.percent(50) { bound.to_owned() } else { format!("{rounds}u") };
                self.line(&format!("for (var {counter} = 0u; {counter} < {bound}; {counter}++)"));
                self.scope(depth, Some(()));
            }
            1 => {
                self.line(&format!("var {counter} = 0u;\nwhile ({counter} < {rounds}u) {{ {counter} += 1u;"));
                self.scope(depth, Some(()));
                self.line("}");
            }
            _ => self.with_continuing(depth, &counter, rounds),
        }
    }

    /// `loop`, with a continuing block that sees what the body declares before it continues.
    fn with_continuing(&mut self, depth: usize, counter: &str, rounds: usize) {
        let outside = self.variables.len();
        self.line(&format!("var {counter} = 0u;\nloop {{"));
        let seen = self.expression(Type::new(Scalar::I32, 1));
        self.line(&format!("let seen_{counter} = {seen};"));
        self.block(depth, Some(()));
        self.line(&format!(
            "continuing {{ {counter} += 1u; kept.z += seen_{counter}; break if {counter} >= {rounds}u; }}\n}}"
        ));
        self.variables.truncate(outside);
    }

    /// Threads of the block tell each other something, in the open: every thread comes here.
    fn exchange(&mut self) {
        let word = Type::new(Scalar::U32, 1);
        let (sent, from) = (self.expression(word), self.expression(word));
        let vector = self.expression(Type::new(Scalar::F32, 4));
        self.line(&format!("exchanged[lane] = {sent};\nstaged[lane] = {vector};\nworkgroupBarrier();"));
        self.variable(word, &format!("exchanged[{from} % 64u]"));
        self.variable(Type::new(Scalar::F32, 4), &format!("staged[({from} + 1u) % 64u]"));
        let row = self.expression(Type::new(Scalar::I32, 3));
        self.line(&format!("if (lane % 8u == 3u) {{ rows[lane / 8u] = {row}; }}"));
        let counted = self.expression(word);
        let function =
            self.random.of(&["atomicAdd", "atomicMax", "atomicMin", "atomicOr", "atomicXor", "atomicSub"]);
        self.line(&format!("{function}(&total, {counted});\nworkgroupBarrier();"));
        self.variable(Type::new(Scalar::I32, 3), "rows[(lane + 9u) % 8u]");
        self.variable(word, "atomicLoad(&total)");
        self.line("workgroupBarrier();");
    }

    /// The variables, as far as there is room, become the output; the last words are what is kept and the table.
    fn finish(mut self) -> Program {
        let mut outputs = [Scalar::U32; OUTPUTS];
        let mut at = 0;
        let mut text = format!("let out = (group.x * 64u + lane) * {OUTPUTS}u;\n");
        let _ = writeln!(text, "output[out] = u32(kept.x ^ kept.y ^ kept.z ^ kept.w);");
        let _ = writeln!(text, "output[out + 1u] = u32(table[0].x ^ table[1].y ^ table[2].x ^ table[3].y);");
        at += 2;
        // The latest first: they depend on the others.
        for variable in self.variables.iter().rev() {
            for component in ["x", "y", "z", "w"].iter().take(variable.ty.size) {
                if at == OUTPUTS {
                    break;
                }
                let part = if variable.ty.size == 1 { String::new() } else { format!(".{component}") };
                let value = match variable.ty.scalar {
                    Scalar::Bool => format!("u32({}{part})", variable.name),
                    _ => format!("bitcast<u32>({}{part})", variable.name),
                };
                let _ = writeln!(text, "output[out + {at}u] = {value};");
                outputs[at] = variable.ty.scalar;
                at += 1;
            }
        }
        self.text.push_str(&text);
        self.text.push_str("}\n");
        let width = self.random.below(9) as f64;
        let factor = self.random.below(17) as f64 / 4.0 - 2.0;
        Program { wgsl: self.text, constants: [("width", width), ("factor", factor)], outputs }
    }
}
