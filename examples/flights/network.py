"""A small neural network that behaves like a scikit-learn classifier, so that it fits into a Pipeline."""

from collections.abc import Callable

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn


class _Network(nn.Module):
    """An embedding per category beside the numbers, then two hidden layers, then one logit."""

    def __init__(self, sizes: list[int], numbers: int, hidden: int, dropout: float):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, min(16, (size + 1) // 2)) for size in sizes)
        width = sum(embedding.embedding_dim for embedding in self.embeddings) + numbers
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden // 2, 1),
        )

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        embedded = [embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings)]
        return self.layers(torch.cat([*embedded, numbers], dim=1)).squeeze(1)


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Binary classifier. Its first `categories` columns are codes 0, 1, 2, … (-1: not seen in training).

    Parameters
    ----------
    categories : number of leading columns that are codes; all others are numbers, scaled and without gaps.
    on_epoch : called after each epoch with its number (from 1) and the mean training loss.
    """

    def __init__(
        self,
        categories: int = 0,
        hidden: int = 96,
        dropout: float = 0.1,
        epochs: int = 8,
        batch_size: int = 512,
        learning_rate: float = 0.002,
        seed: int = 0,
        on_epoch: Callable[[int, float], None] | None = None,
    ):
        self.categories = categories
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.on_epoch = on_epoch

    def fit(self, X: np.ndarray, y: np.ndarray) -> "NetworkClassifier":
        """Train; the same seed gives the same network."""
        torch.manual_seed(self.seed)
        self.classes_ = np.unique(y)
        codes, numbers = self._tensors(X)
        target = torch.as_tensor(np.asarray(y), dtype=torch.float32)
        sizes = [int(column.max()) + 1 for column in codes.T]
        self.network_ = _Network(sizes, numbers.shape[1], self.hidden, self.dropout)
        steps = self.epochs * -(-len(target) // self.batch_size)
        optimizer = torch.optim.AdamW(self.network_.parameters(), lr=self.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.learning_rate, total_steps=steps)
        loss_of = nn.BCEWithLogitsLoss()
        for epoch in range(1, self.epochs + 1):
            self.network_.train()
            total = 0.0
            for rows in torch.randperm(len(target)).split(self.batch_size):
                optimizer.zero_grad()
                loss = loss_of(self.network_(codes[rows], numbers[rows]), target[rows])
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(rows)
            if self.on_epoch:
                self.on_epoch(epoch, total / len(target))
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes 0 and 1, one row per row of `X`."""
        self.network_.eval()
        codes, numbers = self._tensors(X)
        with torch.no_grad():
            late = torch.sigmoid(self.network_(codes, numbers)).numpy().astype("float64")
        return np.column_stack([1 - late, late])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the likelier class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _tensors(self, X: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        X = np.asarray(X, dtype="float32")
        codes = torch.as_tensor(X[:, : self.categories], dtype=torch.long) + 1  # 0: not seen in training
        return codes, torch.as_tensor(X[:, self.categories :])

    def __getstate__(self) -> dict:
        """Leave the callback behind: it belongs to the notebook that trained, not to the model."""
        return {**super().__getstate__(), "on_epoch": None}
