"""The digits grid under joblib: two processes (loky)."""

import json

from joblib import Parallel, delayed  # type: ignore[import-untyped]

from benchmarks.digits.plain_trial import ALL, train_and_measure


def main() -> None:
    accuracies = Parallel(n_jobs=2, backend="loky")(delayed(train_and_measure)(each) for each in ALL)
    print(json.dumps({"trials": len(accuracies), "test_accuracy": sum(accuracies) / len(accuracies)}), flush=True)


if __name__ == "__main__":
    main()
