export default {
  optimizeDeps: { exclude: ['heatseek'] },
};
