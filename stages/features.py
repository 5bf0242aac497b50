"""Turn every example's tokens into one vector, with the encoder as it came.

A copy of the tutorials' frozen features: what a linear model can do with the encoder before fine-tuning.
"""

from pydantic import Field
from transformers import AutoModel

from stages.lib.arrow import open_stream, write_vectors
from stages.lib.encoders.devices import claim_gpus
from stages.lib.encoders.inference import Pooling, infer, load, pooler
from stages.lib.params import StageParams, load_params
from stages.lib.stage import InPath, OutPath, run
from stages.lib.tables import write_json
from stages.lib.versions import warn_of_drift


class Params(StageParams):
    pooling: Pooling
    batch_tokens: int = Field(ge=1)


def main(*, encoder: InPath, tokens: InPath, features: OutPath, metrics: OutPath) -> None:
    params = load_params("features", Params)
    claim_gpus(1)
    warn_of_drift()
    table = open_stream(tokens)
    model = load(AutoModel, encoder)
    pool = pooler(model, params.pooling)
    (vectors_NH,) = infer(
        model,
        table,
        params.batch_tokens,
        lambda outputs, mask_BT: (pool(outputs, mask_BT),),
        title="features",
    )
    write_vectors(table, vectors_NH, features)
    examples, hidden_size = vectors_NH.shape
    write_json({"examples": examples, "hidden_size": hidden_size}, metrics)
    print(f"features: {examples:,} vectors of {hidden_size} numbers ({params.pooling} of the frozen encoder)")


if __name__ == "__main__":
    run(main)
