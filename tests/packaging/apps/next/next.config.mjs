// On the server it stays a package of its own. The packages of these tests are one folder up, which turbopack has to be told.
export default { output: 'export', serverExternalPackages: ['heatseek'], turbopack: { root: process.env.APP_ROOT } };
