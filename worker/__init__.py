"""The hands: processes that claim jobs, train them, draw and describe, and write down what happened."""
