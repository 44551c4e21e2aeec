"""PSNR and SSIM as the literature takes them, what models of sight say, and honest tables beside doing nothing."""

from kdsharp.evaluate.benchmarks import benchmark_rows, bicubic_benchmark, network_benchmark
from kdsharp.evaluate.classic import best_unsharp, bicubic_shrink, bicubic_upscale, unsharp
from kdsharp.evaluate.metrics import METRICS, SSIM_WINDOW, compare, luma, psnr, share_of_the_way, ssim
from kdsharp.evaluate.perception import jod, jod_of_video, perception_at_hand, ssimulacra2
from kdsharp.evaluate.photographs import (
    Upscaler,
    degraded_photo,
    evaluate_methods,
    evaluate_student,
    format_table,
    teacher_picture,
)
from kdsharp.evaluate.pictures import EXACT, Pairs, held_out, mean_scores
from kdsharp.evaluate.score_card import score_card
from kdsharp.evaluate.tables import text_table

__all__ = [
    "EXACT",
    "METRICS",
    "SSIM_WINDOW",
    "Pairs",
    "Upscaler",
    "benchmark_rows",
    "best_unsharp",
    "bicubic_benchmark",
    "bicubic_shrink",
    "bicubic_upscale",
    "compare",
    "degraded_photo",
    "evaluate_methods",
    "evaluate_student",
    "format_table",
    "held_out",
    "jod",
    "jod_of_video",
    "luma",
    "mean_scores",
    "network_benchmark",
    "perception_at_hand",
    "psnr",
    "score_card",
    "share_of_the_way",
    "ssim",
    "ssimulacra2",
    "teacher_picture",
    "text_table",
    "unsharp",
]
