// The packages of these tests are one folder up; an app of your own needs `output` at most.
export default { output: 'export', turbopack: { root: process.env.APP_ROOT } };
