"""A peer of `heatseek bench` in a process of its own; see README.md for what it is asked and answers.

    python serve.py PEER --model DIR --place cpu|gpu --dtype f32|f16|bf16|int8 --threads N --pooling NAME --normalize 0|1
"""

import argparse
import importlib
import json
import os
import sys
import time

# Where each peer is, and what it is started with beside the arguments.
PEERS = {
    "torch": ("torch_peer", {}),
    "torch-tf32": ("torch_peer", {"tf32": True}),
    "torch-compile": ("torch_peer", {"compile": True}),
    "sentence-transformers": ("sentence_transformers_peer", {}),
    "onnxruntime": ("onnxruntime_peer", {}),
    "onnxruntime-fused": ("onnxruntime_peer", {"fused": True}),
}
# A program that speaks for itself, named by an environment variable: rust/ in Heatseek's repository.
RUST_PEERS = ("candle", "rten")
RUST_PROGRAM = "HEATSEEK_RUST_PEERS"
WARM_UP = 3


def reason(error):
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no message'}"


def answer(peer, request):
    if request["op"] == "prepare":
        peer.prepare(request)
        vectors = None
        for _ in range(WARM_UP):
            vectors = peer.run()
        return {"vectors": peer.host(vectors, request["samples"])}
    began = time.perf_counter()
    peer.run()
    return {"ms": (time.perf_counter() - began) * 1e3}


def become_rust(args):
    program = os.environ.get(RUST_PROGRAM)
    own = [args.peer, args.model, args.dtype, str(args.threads), args.pooling, str(args.normalize)]
    try:
        if program is None:
            raise ValueError(f"set {RUST_PROGRAM} to the program that bench/peers/rust builds")
        os.execv(program, [program, *own])
    except (OSError, ValueError) as error:
        print(json.dumps({"error": reason(error)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=[*PEERS, *RUST_PEERS])
    parser.add_argument("--model", required=True)
    parser.add_argument("--place", choices=["cpu", "gpu"], required=True)
    parser.add_argument("--dtype", choices=["f32", "f16", "bf16", "int8"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--pooling", required=True)
    parser.add_argument("--normalize", type=int, required=True)
    args = parser.parse_args()
    if args.peer in RUST_PEERS:
        return become_rust(args)
    # Libraries print to stdout too; answers go where only we write.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true"

    def say(value):
        print(json.dumps(value), file=answers, flush=True)

    module, options = PEERS[args.peer]
    try:
        peer = importlib.import_module(module).Peer(args, **options)
    except Exception as error:
        return say({"error": reason(error)})
    say({"name": args.peer, "version": peer.version, "device": peer.device_name, "cuda": peer.cuda})
    for line in sys.stdin:
        try:
            say(answer(peer, json.loads(line)))
        except Exception as error:
            say({"error": reason(error)})


if __name__ == "__main__":
    main()
