// The package's worker, from within the reach of sw.js: what a worker fetches goes by where its own script is.
// Where the whole app is below the service worker, as a bundler makes it, this file is not needed.
import '../../../pkg/dist/worker.js';
