"""ONNX Runtime on the CPU as the peer of the native benchmark, which starts it.

    python onnxruntime_peer.py GRAPH.onnx THREADS PIXELS BATCH

PIXELS holds BATCH pictures of 224 x 224, little-endian f32. The first line on stdout is JSON with the version
and the class token of each picture; after that each line read from stdin is one timed run, answered with its
milliseconds. Runs begin with the pixels in an array and end with the last hidden states in another.
"""

import json
import sys
import time

import numpy as np
import onnxruntime


def main():
    graph, threads, pixels, batch = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    inputs = {"pixel_values": np.fromfile(pixels, "<f4").reshape(batch, 3, 224, 224)}
    run = lambda: session.run(["last_hidden_state"], inputs)[0]
    print(json.dumps({"version": onnxruntime.__version__, "vectors": run()[:, 0].tolist()}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        run()
        print((time.perf_counter() - began) * 1e3, flush=True)


if __name__ == "__main__":
    main()
