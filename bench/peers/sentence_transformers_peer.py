"""sentence-transformers' `encode`: from strings to a NumPy matrix, tokenizing and sorting included."""

import sentence_transformers
import torch

# Its own default is 32, which starves a large GPU.
BATCH_SIZE = {"cuda": 256, "cpu": 32}


class Peer:
    def __init__(self, args):
        if args.dtype not in ("f32", "f16"):
            raise ValueError(f"{args.dtype} is not timed here")
        torch.set_num_threads(args.threads)
        torch.set_float32_matmul_precision("highest")
        self.cuda = torch.cuda.is_available()
        device = "cuda" if self.cuda and args.place == "gpu" else "cpu"
        self.device_name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        self.version = f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}"
        self.batch_size = BATCH_SIZE[device]
        self.model = sentence_transformers.SentenceTransformer(args.model, device=device).eval()
        if args.dtype == "f16":
            self.model.half()

    def prepare(self, request):
        if request["kind"] != "texts":
            raise ValueError("it is timed with texts only")
        self.texts = request["texts"]

    def run(self):
        return self.model.encode(self.texts, batch_size=self.batch_size, prompt="", show_progress_bar=False,
                                 convert_to_numpy=True)

    def host(self, vectors, samples):
        return vectors[samples].astype("f4").tolist()
