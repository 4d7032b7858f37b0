"""A pipeline of scikit-learn as large as ours (imputer, scaler, one-hot, MLPClassifier), written for a server.

    python -m bench.peers.table_pipeline mlserver|mlflow FILE

The table is the CSV at PEER_WEIGHTS, whose last column is the label. The runtimes read what they were written for:
MLServer a file of joblib, MLflow a folder of its own.
"""

import os
import sys
import warnings
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HIDDEN = (100, 50)


def fitted(table: pd.DataFrame) -> object:
    """Fit the pipeline on a table."""
    label = table.columns[-1]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    levels = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (levels, make_column_selector(dtype_exclude="number"))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could learn on
        return make_pipeline(columns, MLPClassifier(HIDDEN, max_iter=20)).fit(table.drop(columns=label), table[label])


if __name__ == "__main__":
    kind, file = sys.argv[1], Path(sys.argv[2])
    pipeline = fitted(pd.read_csv(os.environ["PEER_WEIGHTS"]))
    if kind == "mlserver":
        import joblib  # type: ignore[import-untyped]

        joblib.dump(pipeline, file)
    else:
        import mlflow

        # Its own format takes no imputer.
        mlflow.sklearn.save_model(
            pipeline,
            file,
            pyfunc_predict_fn="predict_proba",
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
            pip_requirements=[],
        )
