"""UperNet on ViT-B/16 from MAE, 160,000 iterations on ADE20K, the published recipe.

Source: He et al. 2021 (arXiv 2111.06377), Table 5 and A.4; settings of MMSegmentation's
mae-base_upernet_8xb2-amp-160k_ade20k-512x512. Each block has BEiT's table of relative positions,
which starts at zero. The learning rate decays from step 0, as in BEiT's code, which the paper
follows; in MMSegmentation's config it decays from the end of the warm-up.
Expected: 48.1 mIoU, single scale (Table 5); 48.13, and 48.70 with --tta (MMSegmentation).
Cost: not published.

The paper says 100 epochs, which is 126,000 iterations; 160,000 are those of the released code.

    bash tools/dist_train.sh \
        configs/segmentation/upernet_vit-base-p16_mae-pre_rel-pos_8xb2-amp-160k_ade20k-512x512.py \
        8 --pretrained WORK_DIR_OR_FILE
"""

_base_ = './upernet_vit-base-p16_mae-pre_8xb2-amp-160k_ade20k-512x512.py'

model = dict(backbone=dict(rel_pos='table'))
