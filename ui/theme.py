"""The look: neutral greys that leave colour to the pictures, one green, and the system's own letters.

What a theme cannot say is in static/style.css.
"""

from gradio.themes import Base, Color, Size

VIRIDIAN = Color(
    name="viridian", c50="#eef6f4", c100="#d6eae5", c200="#aed6cd", c300="#7dbcb0", c400="#4c9d90",
    c500="#2a8175", c600="#1c695f", c700="#18554e", c800="#154540", c900="#123936", c950="#08211f",
)  # fmt: skip
STONE = Color(
    name="stone", c50="#fafaf8", c100="#f3f3f0", c200="#e6e5e1", c300="#d2d1cb", c400="#a3a19a",
    c500="#75736d", c600="#57554f", c700="#3d3c38", c800="#272724", c900="#1b1b19", c950="#121211",
)  # fmt: skip
TEXT = Size(
    name="text", xxs="11px", xs="12px", sm="13px", md="14px", lg="16px", xl="20px", xxl="26px"
)  # fmt: skip
RADIUS = Size(name="radius", xxs="2px", xs="4px", sm="6px", md="8px", lg="10px", xl="14px", xxl="20px")

LETTERS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
FIGURES = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def theme() -> Base:
    look = Base(
        primary_hue=VIRIDIAN,
        secondary_hue=VIRIDIAN,
        neutral_hue=STONE,
        text_size=TEXT,
        radius_size=RADIUS,
        font=LETTERS,
        font_mono=FIGURES,
    )
    return look.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_50",
        background_fill_secondary_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_700",
        color_accent="*primary_600",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="*primary_900",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_border_width_dark="0px",
        block_label_shadow="none",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_300",
        block_title_text_size="*text_sm",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_info_text_size="*text_xs",
        input_background_fill="white",
        input_background_fill_dark="*neutral_800",
        input_background_fill_focus="white",
        input_background_fill_focus_dark="*neutral_800",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        input_shadow="none",
        input_shadow_dark="none",
        input_shadow_focus="0 0 0 3px *primary_100",
        input_shadow_focus_dark="0 0 0 3px *primary_900",
        input_text_size="*text_md",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        button_large_radius="*radius_md",
        button_medium_radius="*radius_md",
        button_small_radius="*radius_sm",
        button_large_text_weight="600",
        button_medium_text_weight="500",
        button_small_text_weight="500",
        button_transform_hover="none",
        button_transform_active="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_400",
        button_primary_background_fill_hover_dark="*primary_300",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_50",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_200",
        button_border_width="1px",
        button_cancel_background_fill="#a63a2b",
        button_cancel_background_fill_hover="#8d2f22",
        button_cancel_background_fill_dark="#b9503f",
        button_cancel_background_fill_hover_dark="#cb6150",
        button_cancel_border_color="transparent",
        button_cancel_border_color_dark="transparent",
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
        accordion_text_color="*neutral_700",
        accordion_text_color_dark="*neutral_300",
    )
