/** The script of the worker: `heatseek/worker`. */
import { serve } from './serve.js';

serve(self as unknown as Parameters<typeof serve>[0]);
